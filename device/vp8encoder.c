#include "vp8encoder.h"

#include <stdlib.h>
#include <string.h>
#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

struct vp8encoder {
  vpx_codec_ctx_t codec;
  vpx_codec_enc_cfg_t config;
  int64_t last; // time of the last picture
};

// configure is for live pictures, much as browsers send them: a constant bit rate within a second, pictures left out
// before it is exceeded, none held back, nothing that a later frame needs but the pictures themselves.
static void configure(vpx_codec_enc_cfg_t *c, vp8encoder_settings s) {
  c->g_w = s.width;
  c->g_h = s.height;
  c->g_timebase.num = 1;
  c->g_timebase.den = 1000000;
  c->g_threads = 1;
  c->g_lag_in_frames = 0;
  c->g_error_resilient = VPX_ERROR_RESILIENT_DEFAULT;
  c->rc_end_usage = VPX_CBR;
  c->rc_target_bitrate = s.bit_rate / 1000;
  c->rc_min_quantizer = 2;
  c->rc_max_quantizer = 60;
  c->rc_undershoot_pct = 100;
  c->rc_overshoot_pct = 15;
  c->rc_buf_initial_sz = 500; // ms, like the next two
  c->rc_buf_optimal_sz = 600;
  c->rc_buf_sz = 1000;
  c->rc_dropframe_thresh = 30; // % of the buffer
  c->kf_mode = VPX_KF_AUTO;
  c->kf_min_dist = 0;
  c->kf_max_dist = s.key_interval;
}

vp8encoder *vp8encoder_new(vp8encoder_settings s, const char **wrong) {
  vp8encoder *e = calloc(1, sizeof *e);
  *wrong = "out of memory";
  if (e == NULL) return NULL;
  vpx_codec_err_t err = vpx_codec_enc_config_default(vpx_codec_vp8_cx(), &e->config, 0);
  if (err == VPX_CODEC_OK) {
    configure(&e->config, s);
    err = vpx_codec_enc_init(&e->codec, vpx_codec_vp8_cx(), &e->config, 0);
  }
  if (err != VPX_CODEC_OK) {
    *wrong = vpx_codec_err_to_string(err);
    free(e);
    return NULL;
  }
  e->last = -1;
  // A key frame may take so much of what a picture has on average, in percent: 0.3 s of the bit rate.
  unsigned most = 30 * s.rate;
  if (most < 300) most = 300;
  if (vpx_codec_control(&e->codec, VP8E_SET_CPUUSED, -s.speed) != VPX_CODEC_OK ||
      vpx_codec_control(&e->codec, VP8E_SET_STATIC_THRESHOLD, 1) != VPX_CODEC_OK ||
      vpx_codec_control(&e->codec, VP8E_SET_MAX_INTRA_BITRATE_PCT, most) != VPX_CODEC_OK) {
    *wrong = "it does not take its settings";
    vp8encoder_free(e);
    return NULL;
  }
  return e;
}

void vp8encoder_free(vp8encoder *e) {
  vpx_codec_destroy(&e->codec);
  free(e);
}

static const char *failure(vp8encoder *e) {
  const char *more = vpx_codec_error_detail(&e->codec);
  return more != NULL ? more : vpx_codec_error(&e->codec);
}

const char *vp8encoder_encode(vp8encoder *e, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int y_stride, int c_stride,
                              int64_t time, int key, vp8encoder_frame *frame) {
  vpx_image_t image;
  memset(frame, 0, sizeof *frame);
  // Nothing is allocated: the planes are put in.
  if (vpx_img_wrap(&image, VPX_IMG_FMT_I420, e->config.g_w, e->config.g_h, 1, (unsigned char *)y) == NULL) return "no such picture";
  image.planes[VPX_PLANE_U] = (unsigned char *)cb;
  image.planes[VPX_PLANE_V] = (unsigned char *)cr;
  image.stride[VPX_PLANE_Y] = y_stride;
  image.stride[VPX_PLANE_U] = image.stride[VPX_PLANE_V] = c_stride;
  int64_t span = e->last < 0 || time <= e->last ? 1 : time - e->last;
  time = e->last < 0 || time > e->last ? time : e->last + 1;
  e->last = time;
  if (vpx_codec_encode(&e->codec, &image, time, span, key ? VPX_EFLAG_FORCE_KF : 0, VPX_DL_REALTIME) != VPX_CODEC_OK) return failure(e);
  vpx_codec_iter_t iter = NULL;
  const vpx_codec_cx_pkt_t *packet;
  while ((packet = vpx_codec_get_cx_data(&e->codec, &iter)) != NULL) {
    if (packet->kind != VPX_CODEC_CX_FRAME_PKT) continue;
    frame->data = packet->data.frame.buf; // of one partition, so the only one
    frame->size = packet->data.frame.sz;
    frame->key = (packet->data.frame.flags & VPX_FRAME_IS_KEY) != 0;
  }
  return NULL;
}

const char *vp8encoder_bit_rate(vp8encoder *e, int bit_rate) {
  e->config.rc_target_bitrate = bit_rate / 1000;
  return vpx_codec_enc_config_set(&e->codec, &e->config) == VPX_CODEC_OK ? NULL : failure(e);
}
