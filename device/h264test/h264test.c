// The part of openh264's C interface (codec_api.h, codec_app_def.h and
// codec_def.h of version 2) that decoding needs. Its headers are in another Go
// module, where cgo can't point at them.
#include "h264test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  unsigned int size;
  int bitstream_type;
} video_property;

typedef struct {
  char *reconstructed_name;
  unsigned int cpu_load;
  unsigned char target_layer;
  int error_concealment;
  bool parse_only;
  video_property property;
} decoding_parameters;

typedef struct {
  int status;
  unsigned long long in_time, out_time;
  struct {
    int width, height, format, stride[2];
  } system;
  unsigned char *planes[3];
} buffer_info;

struct decoder_table;
typedef const struct decoder_table *decoder;

struct decoder_table {
  long (*initialize)(decoder *, const decoding_parameters *);
  long (*uninitialize)(decoder *);
  int (*decode_frame)(decoder *, const unsigned char *, int, unsigned char **, int *, int *, int *);
  int (*decode_frame_no_delay)(decoder *, const unsigned char *, int, unsigned char **, buffer_info *);
};

extern long WelsCreateDecoder(decoder **);
extern void WelsDestroyDecoder(decoder *);

struct h264test {
  decoder *engine;
};

h264test *h264test_new(void) {
  decoder *engine = NULL;
  decoding_parameters parameters;
  memset(&parameters, 0, sizeof parameters);
  parameters.target_layer = 255;
  parameters.property.size = sizeof parameters.property;
  if (WelsCreateDecoder(&engine) != 0 || engine == NULL) return NULL;
  h264test *d = calloc(1, sizeof *d);
  if (d == NULL || (*engine)->initialize(engine, &parameters) != 0) {
    WelsDestroyDecoder(engine);
    free(d);
    return NULL;
  }
  d->engine = engine;
  return d;
}

int h264test_decode(h264test *d, const unsigned char *data, int size, h264test_picture *out) {
  unsigned char *planes[3] = {NULL, NULL, NULL};
  buffer_info info;
  memset(&info, 0, sizeof info);
  memset(out, 0, sizeof *out);
  int state = (*d->engine)->decode_frame_no_delay(d->engine, data, size, planes, &info);
  if (state != 0 || info.status != 1) return state;
  out->ready = 1;
  out->width = info.system.width;
  out->height = info.system.height;
  out->y_stride = info.system.stride[0];
  out->c_stride = info.system.stride[1];
  out->y = planes[0];
  out->cb = planes[1];
  out->cr = planes[2];
  return 0;
}

void h264test_free(h264test *d) {
  (*d->engine)->uninitialize(d->engine);
  WelsDestroyDecoder(d->engine);
  free(d);
}
