// A VP8 encoder (libvpx) for live pictures of one size.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct vp8encoder vp8encoder;

// All of a vp8encoder's settings that can't be told later. Sizes in pixels, rates in bit/s.
typedef struct {
  int width, height, bit_rate;
  int rate;         // pictures per second
  int key_interval; // pictures from one key frame to the next that nobody asked for
  int speed;        // 0 to 16: the more, the less time a picture takes, and the worse it is
} vp8encoder_settings;

// A frame that is valid until the next call; size 0: the picture was left out.
typedef struct {
  const uint8_t *data;
  size_t size;
  int key;
} vp8encoder_frame;

// vp8encoder_new makes an encoder, or returns NULL and says why.
vp8encoder *vp8encoder_new(vp8encoder_settings settings, const char **wrong);
void vp8encoder_free(vp8encoder *e);

// Both return NULL, or what went wrong. The time of a picture is in microseconds, and grows.
const char *vp8encoder_encode(vp8encoder *e, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int y_stride, int c_stride,
                              int64_t time, int key, vp8encoder_frame *frame);
const char *vp8encoder_bit_rate(vp8encoder *e, int bit_rate);
