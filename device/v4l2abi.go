package device

import (
	"fmt"
	"strings"
	"unsafe"
)

// The structures of linux/videodev2.h that a camera needs, laid out for amd64,
// arm64 and 32-bit arm alike; v4l2abi_test.go holds the C compiler's own sizes,
// offsets and request numbers to compare with.
//
// Two things differ between those: the unions that hold a pointer, which are
// aligned to 8 bytes on 64-bit, and struct timeval. On arm this is the layout
// with 64-bit time (as with -D_TIME_BITS=64), which kernels know by the request
// number since Linux 5.6, and which does not depend on CONFIG_COMPAT_32BIT_TIME.

const pointerPadding = unsafe.Sizeof(uintptr(0)) - 4

// v4l2Capability is struct v4l2_capability.
type v4l2Capability struct {
	Driver       [16]byte
	Card         [32]byte
	BusInfo      [32]byte
	Version      uint32
	Capabilities uint32
	DeviceCaps   uint32
	_            [3]uint32
}

// v4l2FmtDesc is struct v4l2_fmtdesc.
type v4l2FmtDesc struct {
	Index       uint32
	Type        uint32
	Flags       uint32
	Description [32]byte
	PixelFormat fourCC
	MbusCode    uint32
	_           [3]uint32
}

// v4l2FrmSizeEnum is struct v4l2_frmsizeenum. Of a discrete size, Sizes holds
// width and height; of a stepwise one, the least, greatest and step of each.
type v4l2FrmSizeEnum struct {
	Index       uint32
	PixelFormat fourCC
	Type        uint32
	Sizes       [6]uint32
	_           [2]uint32
}

// v4l2Fract is struct v4l2_fract.
type v4l2Fract struct {
	Numerator   uint32
	Denominator uint32
}

// v4l2FrmIvalEnum is struct v4l2_frmivalenum. Of a discrete interval,
// Intervals[0] holds it; of a stepwise one, the least, greatest and step.
type v4l2FrmIvalEnum struct {
	Index       uint32
	PixelFormat fourCC
	Width       uint32
	Height      uint32
	Type        uint32
	Intervals   [3]v4l2Fract
	_           [2]uint32
}

// v4l2PixFormat is struct v4l2_pix_format.
type v4l2PixFormat struct {
	Width        uint32
	Height       uint32
	PixelFormat  fourCC
	Field        uint32
	BytesPerLine uint32
	SizeImage    uint32
	Colorspace   uint32
	Priv         uint32
	Flags        uint32
	YCbCrEnc     uint32
	Quantization uint32
	XferFunc     uint32
}

// v4l2Format is struct v4l2_format for single-planar capture.
type v4l2Format struct {
	Type uint32
	_    [pointerPadding]byte
	Pix  v4l2PixFormat
	_    [200 - 48]byte
}

// v4l2StreamParm is struct v4l2_streamparm for capture.
type v4l2StreamParm struct {
	Type         uint32
	Capability   uint32
	CaptureMode  uint32
	TimePerFrame v4l2Fract
	ExtendedMode uint32
	ReadBuffers  uint32
	_            [200 - 24]byte
}

// v4l2RequestBuffers is struct v4l2_requestbuffers.
type v4l2RequestBuffers struct {
	Count        uint32
	Type         uint32
	Memory       uint32
	Capabilities uint32
	Flags        uint8
	_            [3]byte
}

// v4l2Buffer is struct v4l2_buffer. Where is its union m: the offset to map or the
// descriptor of a DMABUF, in its first four bytes.
type v4l2Buffer struct {
	Index     uint32
	Type      uint32
	BytesUsed uint32
	Flags     uint32
	Field     uint32
	_         uint32
	Seconds   int64 // timestamp.tv_sec
	Micros    int64 // timestamp.tv_usec
	_         [16]byte
	Sequence  uint32
	Memory    uint32
	Where     uintptr
	Length    uint32
	_         uint32
	RequestFD int32
}

// v4l2ExportBuffer is struct v4l2_exportbuffer.
type v4l2ExportBuffer struct {
	Type  uint32
	Index uint32
	Plane uint32
	Flags uint32 // O_CLOEXEC, O_RDWR
	FD    int32
	_     [11]uint32
}

// offset reads the union m as the offset that mmap wants.
func (b *v4l2Buffer) offset() int64 { return int64(*(*uint32)(unsafe.Pointer(&b.Where))) }

// v4l2QueryCtrl is struct v4l2_queryctrl.
type v4l2QueryCtrl struct {
	ID      uint32
	Type    uint32
	Name    [32]byte
	Minimum int32
	Maximum int32
	Step    int32
	Default int32
	Flags   uint32
	_       [2]uint32
}

// v4l2QueryMenu is struct v4l2_querymenu, which is packed, for menus of numbers.
type v4l2QueryMenu struct {
	ID    uint32
	Index uint32
	Value [8]byte // a number of 64 bits, which isn't aligned
	_     [24]byte
	_     uint32
}

// v4l2Control is struct v4l2_control.
type v4l2Control struct {
	ID    uint32
	Value int32
}

// Constants of linux/videodev2.h and linux/v4l2-controls.h.
const (
	v4l2BufTypeVideoCapture = 1
	v4l2MemoryMMAP          = 1
	v4l2MemoryDMABUF        = 4
	v4l2FieldAny            = 0
	v4l2FieldNone           = 1

	v4l2CapVideoCapture       = 0x00000001
	v4l2CapVideoCaptureMplane = 0x00001000
	v4l2CapVideoM2MMplane     = 0x00004000
	v4l2CapVideoM2M           = 0x00008000
	v4l2CapMetaCapture        = 0x00800000
	v4l2CapStreaming          = 0x04000000
	v4l2CapDeviceCaps         = 0x80000000

	v4l2ParmTimePerFrame = 0x1000 // V4L2_CAP_TIMEPERFRAME
	v4l2TypeDiscrete     = 1      // of frame sizes and of frame intervals

	v4l2BufFlagError         = 0x00000040
	v4l2BufFlagStampMask     = 0x0000e000
	v4l2BufFlagStampMonotone = 0x00002000

	v4l2PrivMagic             = 0xfeedcafe // the fields of v4l2_pix_format after priv are valid
	v4l2ColorspaceJPEG        = 7
	v4l2QuantizationDefault   = 0
	v4l2QuantizationFullRange = 1

	v4l2CtrlUnusable = 0x0001 | 0x0004 // disabled, read only
	v4l2CtrlInactive = 0x0010

	v4l2CIDBrightness              = 0x00980900 // V4L2_CID_BRIGHTNESS
	v4l2CIDContrast                = 0x00980901 // V4L2_CID_CONTRAST
	v4l2CIDSaturation              = 0x00980902 // V4L2_CID_SATURATION
	v4l2CIDAutoWhiteBalance        = 0x0098090c // V4L2_CID_AUTO_WHITE_BALANCE
	v4l2CIDPowerLineFrequency      = 0x00980918 // V4L2_CID_POWER_LINE_FREQUENCY
	v4l2CIDWhiteBalanceTemperature = 0x0098091a // V4L2_CID_WHITE_BALANCE_TEMPERATURE
	v4l2CIDBacklight               = 0x0098091c // V4L2_CID_BACKLIGHT_COMPENSATION
	v4l2CIDExposureAuto            = 0x009a0901 // V4L2_CID_EXPOSURE_AUTO
	v4l2CIDExposureAbsolute        = 0x009a0902 // V4L2_CID_EXPOSURE_ABSOLUTE
	v4l2ExposureManual             = 1
	v4l2CIDAutoExposureBias        = 0x009a0913 // V4L2_CID_AUTO_EXPOSURE_BIAS
	v4l2CtrlTypeIntegerMenu        = 9

	v4l2CIDGOPSize       = 0x009909cb // V4L2_CID_MPEG_VIDEO_GOP_SIZE
	v4l2CIDBitRate       = 0x009909cf // V4L2_CID_MPEG_VIDEO_BITRATE
	v4l2CIDRepeatHeaders = 0x009909e2 // V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER
	v4l2CIDForceKeyFrame = 0x009909e5 // V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME
	v4l2CIDH264IPeriod   = 0x00990a66 // V4L2_CID_MPEG_VIDEO_H264_I_PERIOD
	v4l2CIDH264Profile   = 0x00990a6b // V4L2_CID_MPEG_VIDEO_H264_PROFILE

	v4l2ProfileConstrainedBaseline = 1
)

// fourCC is a V4L2 pixel format, such as 'YUYV'.
type fourCC uint32

// The pixel formats that can be made into 4:2:0 pictures or passed through.
const (
	pixYUYV fourCC = 'Y' | 'U'<<8 | 'Y'<<16 | 'V'<<24
	pixUYVY fourCC = 'U' | 'Y'<<8 | 'V'<<16 | 'Y'<<24
	pixYU12 fourCC = 'Y' | 'U'<<8 | '1'<<16 | '2'<<24 // I420
	pixYV12 fourCC = 'Y' | 'V'<<8 | '1'<<16 | '2'<<24
	pixNV12 fourCC = 'N' | 'V'<<8 | '1'<<16 | '2'<<24
	pixNV21 fourCC = 'N' | 'V'<<8 | '2'<<16 | '1'<<24
	pixMJPG fourCC = 'M' | 'J'<<8 | 'P'<<16 | 'G'<<24
	pixJPEG fourCC = 'J' | 'P'<<8 | 'E'<<16 | 'G'<<24
	pixH264 fourCC = 'H' | '2'<<8 | '6'<<16 | '4'<<24
)

// parseFourCC reads a name such as "YUYV" as v4l2-ctl prints it.
func parseFourCC(name string) (fourCC, bool) {
	if len(name) != 4 {
		return 0, false
	}
	return fourCC(name[0]) | fourCC(name[1])<<8 | fourCC(name[2])<<16 | fourCC(name[3])<<24, true
}

// String is the format's four letters, as v4l2-ctl prints them.
func (f fourCC) String() string {
	letters := []byte{byte(f), byte(f >> 8), byte(f >> 16), byte(f >> 24)}
	for _, c := range letters {
		if c < ' ' || c > '~' {
			return fmt.Sprintf("0x%08x", uint32(f))
		}
	}
	return strings.TrimRight(string(letters), " ")
}

// cString is the text of a fixed array up to its first NUL.
func cString(text []byte) string {
	before, _, _ := strings.Cut(string(text), "\x00")
	return before
}
