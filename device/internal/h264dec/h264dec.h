#pragma once

typedef struct h264dec h264dec;

typedef struct h264dec_picture {
  int ready, width, height, y_stride, c_stride;
  unsigned char *y, *cb, *cr;
} h264dec_picture;

h264dec *h264dec_new(void);
int h264dec_decode(h264dec *d, const unsigned char *data, int size, h264dec_picture *out);
void h264dec_free(h264dec *d);
