#pragma once

#include <stddef.h>
#include <stdint.h>

// A decoder of JPEG pictures into planes of 4:2:0 in the range of video.
typedef struct jpeg420 jpeg420;

typedef struct jpeg420_picture {
  int width, height; // even; a row or column beyond is left out
  int y_stride, c_stride;
} jpeg420_picture;

jpeg420 *jpeg420_new(void);

// jpeg420_decode returns NULL, or what is wrong with the picture. It is valid until
// the next call.
const char *jpeg420_decode(jpeg420 *d, const uint8_t *data, size_t size, int width, int height,
                           jpeg420_picture to, uint8_t *y, uint8_t *cb, uint8_t *cr);
void jpeg420_free(jpeg420 *d);
