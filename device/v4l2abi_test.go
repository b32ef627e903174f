package device

import (
	"runtime"
	"testing"
	"unsafe"
)

// What sizeof, offsetof and the VIDIOC_ macros of linux/videodev2.h and
// linux/uvcvideo.h (Linux 6.1) say, by gcc for x86_64 and aarch64 (which agree) and by gcc for
// arm-linux-gnueabihf with -D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64.
func TestLayoutIsTheKernels(t *testing.T) {
	for _, c := range []struct {
		name          string
		got           uintptr
		bits64, arm32 uintptr
	}{
		{"sizeof capability", unsafe.Sizeof(v4l2Capability{}), 104, 104},
		{"sizeof fmtdesc", unsafe.Sizeof(v4l2FmtDesc{}), 64, 64},
		{"sizeof frmsizeenum", unsafe.Sizeof(v4l2FrmSizeEnum{}), 44, 44},
		{"sizeof frmivalenum", unsafe.Sizeof(v4l2FrmIvalEnum{}), 52, 52},
		{"sizeof pix_format", unsafe.Sizeof(v4l2PixFormat{}), 48, 48},
		{"sizeof format", unsafe.Sizeof(v4l2Format{}), 208, 204},
		{"sizeof streamparm", unsafe.Sizeof(v4l2StreamParm{}), 204, 204},
		{"sizeof requestbuffers", unsafe.Sizeof(v4l2RequestBuffers{}), 20, 20},
		{"sizeof buffer", unsafe.Sizeof(v4l2Buffer{}), 88, 80},
		{"sizeof queryctrl", unsafe.Sizeof(v4l2QueryCtrl{}), 68, 68},
		{"sizeof querymenu", unsafe.Sizeof(v4l2QueryMenu{}), 44, 44},
		{"sizeof control", unsafe.Sizeof(v4l2Control{}), 8, 8},
		{"capability.device_caps", unsafe.Offsetof(v4l2Capability{}.DeviceCaps), 88, 88},
		{"fmtdesc.pixelformat", unsafe.Offsetof(v4l2FmtDesc{}.PixelFormat), 44, 44},
		{"frmsizeenum.discrete", unsafe.Offsetof(v4l2FrmSizeEnum{}.Sizes), 12, 12},
		{"frmivalenum.discrete", unsafe.Offsetof(v4l2FrmIvalEnum{}.Intervals), 20, 20},
		{"format.fmt.pix", unsafe.Offsetof(v4l2Format{}.Pix), 8, 4},
		{"pix_format.bytesperline", unsafe.Offsetof(v4l2PixFormat{}.BytesPerLine), 16, 16},
		{"pix_format.colorspace", unsafe.Offsetof(v4l2PixFormat{}.Colorspace), 24, 24},
		{"pix_format.quantization", unsafe.Offsetof(v4l2PixFormat{}.Quantization), 40, 40},
		{"streamparm.capture.timeperframe", unsafe.Offsetof(v4l2StreamParm{}.TimePerFrame), 12, 12},
		{"buffer.flags", unsafe.Offsetof(v4l2Buffer{}.Flags), 12, 12},
		{"buffer.timestamp", unsafe.Offsetof(v4l2Buffer{}.Seconds), 24, 24},
		{"buffer.sequence", unsafe.Offsetof(v4l2Buffer{}.Sequence), 56, 56},
		{"buffer.memory", unsafe.Offsetof(v4l2Buffer{}.Memory), 60, 60},
		{"buffer.m", unsafe.Offsetof(v4l2Buffer{}.Where), 64, 64},
		{"buffer.length", unsafe.Offsetof(v4l2Buffer{}.Length), 72, 68},
		{"buffer.request_fd", unsafe.Offsetof(v4l2Buffer{}.RequestFD), 80, 76},
		{"querymenu.value", unsafe.Offsetof(v4l2QueryMenu{}.Value), 8, 8},
		{"sizeof exportbuffer", unsafe.Sizeof(v4l2ExportBuffer{}), 64, 64},
		{"exportbuffer.index", unsafe.Offsetof(v4l2ExportBuffer{}.Index), 4, 4},
		{"exportbuffer.flags", unsafe.Offsetof(v4l2ExportBuffer{}.Flags), 12, 12},
		{"exportbuffer.fd", unsafe.Offsetof(v4l2ExportBuffer{}.FD), 16, 16},
		{"requestbuffers.capabilities", unsafe.Offsetof(v4l2RequestBuffers{}.Capabilities), 12, 12},
		{"queryctrl.flags", unsafe.Offsetof(v4l2QueryCtrl{}.Flags), 56, 56},
		{"sizeof pix_format_mplane", unsafe.Sizeof(v4l2PixFormatMP{}), 192, 192},
		{"sizeof plane_pix_format", unsafe.Sizeof(v4l2PlanePixFormat{}), 20, 20},
		{"sizeof format, several planes", unsafe.Sizeof(v4l2FormatMP{}), 208, 204},
		{"sizeof plane", unsafe.Sizeof(v4l2Plane{}), 64, 60},
		{"sizeof encoder_cmd", unsafe.Sizeof(v4l2EncoderCmd{}), 40, 40},
		{"sizeof selection", unsafe.Sizeof(v4l2Selection{}), 64, 64},
		{"sizeof uvc_xu_control_query", unsafe.Sizeof(uvcXUQuery{}), 16, 12},
		{"format.fmt.pix_mp", unsafe.Offsetof(v4l2FormatMP{}.Pix), 8, 4},
		{"pix_format_mplane.colorspace", unsafe.Offsetof(v4l2PixFormatMP{}.Colorspace), 16, 16},
		{"pix_format_mplane.plane_fmt", unsafe.Offsetof(v4l2PixFormatMP{}.Planes), 20, 20},
		{"pix_format_mplane.num_planes", unsafe.Offsetof(v4l2PixFormatMP{}.NumPlanes), 180, 180},
		{"pix_format_mplane.quantization", unsafe.Offsetof(v4l2PixFormatMP{}.Quantization), 183, 183},
		{"plane_pix_format.bytesperline", unsafe.Offsetof(v4l2PlanePixFormat{}.BytesPerLine), 4, 4},
		{"plane.length", unsafe.Offsetof(v4l2Plane{}.Length), 4, 4},
		{"plane.m", unsafe.Offsetof(v4l2Plane{}.Where), 8, 8},
		{"plane.data_offset", unsafe.Offsetof(v4l2Plane{}.DataOffset), 16, 12},
		{"encoder_cmd.flags", unsafe.Offsetof(v4l2EncoderCmd{}.Flags), 4, 4},
		{"selection.r", unsafe.Offsetof(v4l2Selection{}.Left), 12, 12},
		{"uvc_xu_control_query.size", unsafe.Offsetof(uvcXUQuery{}.Size), 4, 4},
		{"uvc_xu_control_query.data", unsafe.Offsetof(uvcXUQuery{}.Data), 8, 8},
		{"sizeof event", unsafe.Sizeof(v4l2Event{}), 136, 136},
		{"event.pending", unsafe.Offsetof(v4l2Event{}.Pending), 72, 72},
		{"event.id", unsafe.Offsetof(v4l2Event{}.ID), 96, 96},
		{"sizeof event_subscription", unsafe.Sizeof(v4l2EventSubscription{}), 32, 32},
		{"VIDIOC_DQEVENT", vidiocDQEvent, 0x80885659, 0x80885659},
		{"VIDIOC_SUBSCRIBE_EVENT", vidiocSubscribeEvent, 0x4020565a, 0x4020565a},
		{"VIDIOC_G_SELECTION", vidiocGetSelection, 0xc040565e, 0xc040565e},
		{"VIDIOC_ENCODER_CMD", vidiocEncoderCmd, 0xc028564d, 0xc028564d},
		{"VIDIOC_S_SELECTION", vidiocSetSelection, 0xc040565f, 0xc040565f},
		{"UVCIOC_CTRL_QUERY", uvciocCtrlQuery, 0xc0107521, 0xc00c7521},
		{"VIDIOC_QUERYCAP", vidiocQueryCap, 0x80685600, 0x80685600},
		{"VIDIOC_ENUM_FMT", vidiocEnumFmt, 0xc0405602, 0xc0405602},
		{"VIDIOC_G_FMT", vidiocGetFmt, 0xc0d05604, 0xc0cc5604},
		{"VIDIOC_S_FMT", vidiocSetFmt, 0xc0d05605, 0xc0cc5605},
		{"VIDIOC_REQBUFS", vidiocReqBufs, 0xc0145608, 0xc0145608},
		{"VIDIOC_QUERYBUF", vidiocQueryBuf, 0xc0585609, 0xc0505609},
		{"VIDIOC_QBUF", vidiocQBuf, 0xc058560f, 0xc050560f},
		{"VIDIOC_EXPBUF", vidiocExpBuf, 0xc0405610, 0xc0405610},
		{"VIDIOC_DQBUF", vidiocDQBuf, 0xc0585611, 0xc0505611},
		{"VIDIOC_STREAMON", vidiocStreamOn, 0x40045612, 0x40045612},
		{"VIDIOC_STREAMOFF", vidiocStreamOff, 0x40045613, 0x40045613},
		{"VIDIOC_G_PARM", vidiocGetParm, 0xc0cc5615, 0xc0cc5615},
		{"VIDIOC_S_PARM", vidiocSetParm, 0xc0cc5616, 0xc0cc5616},
		{"VIDIOC_G_CTRL", vidiocGetCtrl, 0xc008561b, 0xc008561b},
		{"VIDIOC_S_CTRL", vidiocSetCtrl, 0xc008561c, 0xc008561c},
		{"VIDIOC_QUERYCTRL", vidiocQueryCtrl, 0xc0445624, 0xc0445624},
		{"VIDIOC_QUERYMENU", vidiocQueryMenu, 0xc02c5625, 0xc02c5625},
		{"VIDIOC_ENUM_FRAMESIZES", vidiocEnumSizes, 0xc02c564a, 0xc02c564a},
		{"VIDIOC_ENUM_FRAMEINTERVALS", vidiocEnumInterval, 0xc034564b, 0xc034564b},
	} {
		want := c.bits64
		switch runtime.GOARCH {
		case "amd64", "arm64":
		case "arm":
			want = c.arm32
		default:
			t.Skipf("no reference values for %s", runtime.GOARCH)
		}
		if c.got != want {
			t.Errorf("%s is %#x, C says %#x", c.name, c.got, want)
		}
	}
}

func TestDescriptorIsTheFirstFourBytesOfTheUnion(t *testing.T) {
	where := ^uintptr(0)
	setDescriptor(&where, 0x01020304)
	if got := *(*int32)(unsafe.Pointer(&where)); got != 0x01020304 {
		t.Errorf("descriptor is %#x", got)
	}
}

func TestBufferOffsetIsTheFirstFourBytesOfTheUnion(t *testing.T) {
	var b v4l2Buffer
	*(*[4]byte)(unsafe.Pointer(&b.Where)) = [4]byte{0, 0x10, 0x20, 0x80}
	if got := b.offset(); got != 0x80201000 {
		t.Errorf("offset is %#x", got)
	}
}

func TestFourCC(t *testing.T) {
	for name, want := range map[string]fourCC{
		"YUYV": 0x56595559, "UYVY": 0x59565955, "YU12": 0x32315559, "YV12": 0x32315659, "NV12": 0x3231564e,
		"NV21": 0x3132564e, "MJPG": 0x47504a4d, "JPEG": 0x4745504a, "H264": 0x34363248,
	} {
		got, ok := parseFourCC(name)
		if !ok || got != want || got.String() != name {
			t.Errorf("%s is %#x %v, want %#x", name, uint32(got), got, uint32(want))
		}
	}
	if _, ok := parseFourCC("toolong"); ok {
		t.Error("seven letters were taken")
	}
	if got := fourCC(0x01020304).String(); got != "0x01020304" {
		t.Errorf("unprintable: %s", got)
	}
}
