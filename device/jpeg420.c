#include "jpeg420.h"

#include <stdio.h>
#include <stdlib.h>
#include <turbojpeg.h>

struct jpeg420 {
  tjhandle handle;
  uint8_t *planes; // as the JPEG has them
  unsigned long size;
  char error[256];
};

jpeg420 *jpeg420_new(void) {
  jpeg420 *d = calloc(1, sizeof *d);
  if (d != NULL && (d->handle = tjInitDecompress()) == NULL) {
    free(d);
    d = NULL;
  }
  return d;
}

// failed keeps what the library says and begins anew: after some errors it could
// decode nothing more.
static const char *failed(jpeg420 *d) {
  snprintf(d->error, sizeof d->error, "%s", tjGetErrorStr2(d->handle));
  tjhandle fresh = tjInitDecompress();
  if (fresh != NULL) {
    tjDestroy(d->handle);
    d->handle = fresh;
  }
  return d->error;
}

void jpeg420_free(jpeg420 *d) {
  tjDestroy(d->handle);
  free(d->planes);
  free(d);
}

// v/255 for v below 65280, in a form that compilers make vector code of.
static inline uint16_t by255(uint16_t v) { return (uint16_t)(v + 1 + (v >> 8)) >> 8; }

// Full range to that of video (BT.601): 16 to 235, and 16 to 240.
static inline uint8_t luma(uint8_t v) { return 16 + by255(v * 219 + 127); }
static inline uint8_t chroma(uint8_t v) { return by255(16 * 255 + v * 224 + 127); }

static void luma_row(uint8_t *restrict to, const uint8_t *restrict from, int n) {
  for (int i = 0; i < n; i++) to[i] = luma(from[i]);
}

// Each sample of a row is the mean of those that it covers: of two rows (which may
// be the same one), and of across samples in each.
static void chroma_row(uint8_t *restrict to, const uint8_t *upper, const uint8_t *lower, int across, int n) {
  if (across == 1) {
    for (int i = 0; i < n; i++) to[i] = chroma((upper[i] + lower[i] + 1) / 2);
    return;
  }
  for (int i = 0; i < n; i++)
    to[i] = chroma((upper[2 * i] + upper[2 * i + 1] + lower[2 * i] + lower[2 * i + 1] + 2) / 4);
}

// 4:1:1 has a sample for each four of a row.
static void spread_row(uint8_t *restrict to, const uint8_t *upper, const uint8_t *lower, int n) {
  for (int i = 0; i < n; i++) to[i] = chroma((upper[i / 2] + lower[i / 2] + 1) / 2);
}

static void chroma_plane(uint8_t *to, int stride, const uint8_t *from, int width, int rows, int subsampling, int w, int h) {
  int tall = subsampling == TJSAMP_420 || subsampling == TJSAMP_440; // half as many rows as luma has
  for (int y = 0; y < h; y++, to += stride) {
    int first = tall ? y : 2 * y, second = tall ? y : 2 * y + 1;
    const uint8_t *upper = from + (size_t)width * (first < rows ? first : rows - 1);
    const uint8_t *lower = from + (size_t)width * (second < rows ? second : rows - 1);
    if (subsampling == TJSAMP_411)
      spread_row(to, upper, lower, w);
    else
      chroma_row(to, upper, lower, subsampling == TJSAMP_444 || subsampling == TJSAMP_440 ? 2 : 1, w);
  }
}

const char *jpeg420_decode(jpeg420 *d, const uint8_t *data, size_t size, int width, int height,
                           jpeg420_picture to, uint8_t *y, uint8_t *cb, uint8_t *cr) {
  int w, h, subsampling, colours;
  if (tjDecompressHeader3(d->handle, data, size, &w, &h, &subsampling, &colours) != 0)
    return failed(d);
  if (w != width || h != height) { // a damaged header could ask for gigabytes
    snprintf(d->error, sizeof d->error, "it is of %dx%d instead of %dx%d", w, h, width, height);
    return d->error;
  }
  if (subsampling < 0 || (colours != TJCS_YCbCr && colours != TJCS_GRAY)) return "it is neither YCbCr nor grey";

  unsigned long sizes[3] = {0}, all = 0;
  int count = colours == TJCS_GRAY ? 1 : 3;
  for (int i = 0; i < count; i++) all += sizes[i] = tjPlaneSizeYUV(i, w, 0, h, subsampling);
  if (all > d->size) {
    free(d->planes);
    d->size = 0;
    if ((d->planes = malloc(all)) == NULL) return "out of memory";
    d->size = all;
  }
  uint8_t *planes[3] = {d->planes, d->planes + sizes[0], d->planes + sizes[0] + sizes[1]};
  // A warning is damage, too.
  if (tjDecompressToYUVPlanes(d->handle, data, size, planes, w, NULL, h, TJFLAG_STOPONWARNING) != 0)
    return failed(d);

  int row = tjPlaneWidth(0, w, subsampling);
  for (int i = 0; i < to.height; i++) luma_row(y + (size_t)i * to.y_stride, planes[0] + (size_t)i * row, to.width);
  uint8_t *chromas[2] = {cb, cr};
  for (int c = 0; c < 2; c++) {
    if (count == 1) {
      for (int i = 0; i < to.height / 2; i++)
        for (int x = 0; x < to.width / 2; x++) chromas[c][(size_t)i * to.c_stride + x] = 128;
      continue;
    }
    chroma_plane(chromas[c], to.c_stride, planes[1 + c], tjPlaneWidth(1, w, subsampling), tjPlaneHeight(1, h, subsampling),
                 subsampling, to.width / 2, to.height / 2);
  }
  return NULL;
}
