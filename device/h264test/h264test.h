#pragma once

typedef struct h264test h264test;

typedef struct h264test_picture {
  int ready, width, height, y_stride, c_stride;
  unsigned char *y, *cb, *cr;
} h264test_picture;

h264test *h264test_new(void);
int h264test_decode(h264test *d, const unsigned char *data, int size, h264test_picture *out);
void h264test_free(h264test *d);
