package device

import "unsafe"

// What the kernel's memory-to-memory devices need of linux/videodev2.h besides
// what cameras do (v4l2abi.go).

// v4l2PlanePixFormat is struct v4l2_plane_pix_format.
type v4l2PlanePixFormat struct {
	SizeImage    uint32
	BytesPerLine uint32
	_            [6]uint16
}

// v4l2PixFormatMP is struct v4l2_pix_format_mplane.
type v4l2PixFormatMP struct {
	Width        uint32
	Height       uint32
	PixelFormat  fourCC
	Field        uint32
	Colorspace   uint32
	Planes       [8]v4l2PlanePixFormat
	NumPlanes    uint8
	Flags        uint8
	YCbCrEnc     uint8
	Quantization uint8
	XferFunc     uint8
	_            [7]uint8
}

// v4l2FormatMP is struct v4l2_format of the API for several planes.
type v4l2FormatMP struct {
	Type uint32
	_    [pointerPadding]byte
	Pix  v4l2PixFormatMP
	_    [200 - 192]byte
}

// v4l2Plane is struct v4l2_plane. Where is its union m: the offset to map or the
// descriptor of a DMABUF, in its first four bytes.
type v4l2Plane struct {
	BytesUsed  uint32
	Length     uint32
	Where      uintptr
	DataOffset uint32
	_          [11]uint32
}

func (p *v4l2Plane) offset() int64 { return int64(*(*uint32)(unsafe.Pointer(&p.Where))) }

// setDescriptor writes a DMABUF's descriptor into a union m.
func setDescriptor(where *uintptr, fd int) { *(*int32)(unsafe.Pointer(where)) = int32(fd) }

// v4l2EncoderCmd is struct v4l2_encoder_cmd.
type v4l2EncoderCmd struct {
	Cmd   uint32
	Flags uint32
	_     [8]uint32
}

// v4l2Selection is struct v4l2_selection.
type v4l2Selection struct {
	Type   uint32
	Target uint32
	Flags  uint32
	Left   int32
	Top    int32
	Width  uint32
	Height uint32
	_      [9]uint32
}

// v4l2EventSubscription is struct v4l2_event_subscription.
type v4l2EventSubscription struct {
	Type  uint32
	ID    uint32
	Flags uint32
	_     [5]uint32
}

// v4l2Event is struct v4l2_event.
type v4l2Event struct {
	Type     uint32
	_        uint32
	_        [64]byte // what has happened
	Pending  uint32
	Sequence uint32
	_        [16]byte // when
	ID       uint32
	_        [8]uint32
	_        uint32 // with time of 64 bits the structure is a multiple of 8 bytes everywhere
}

const (
	vidiocDQEvent        = iocRead<<30 | unsafe.Sizeof(v4l2Event{})<<16 | 'V'<<8 | 89
	vidiocSubscribeEvent = iocWrite<<30 | unsafe.Sizeof(v4l2EventSubscription{})<<16 | 'V'<<8 | 90
	vidiocGetSelection   = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2Selection{})<<16 | 'V'<<8 | 94

	v4l2EventSourceChange       = 5          // V4L2_EVENT_SOURCE_CHANGE
	v4l2SelectionCompose        = 0x100      // V4L2_SEL_TGT_COMPOSE
	v4l2CIDMinBuffersForCapture = 0x00980927 // V4L2_CID_MIN_BUFFERS_FOR_CAPTURE

	vidiocEncoderCmd   = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2EncoderCmd{})<<16 | 'V'<<8 | 77
	vidiocSetSelection = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2Selection{})<<16 | 'V'<<8 | 95

	v4l2BufTypeVideoOutput        = 2
	v4l2BufTypeVideoCaptureMplane = 9
	v4l2BufTypeVideoOutputMplane  = 10

	v4l2BufCapDMABUF = 0x04 // V4L2_BUF_CAP_SUPPORTS_DMABUF

	v4l2SelectionCrop = 0 // V4L2_SEL_TGT_CROP
	v4l2EncoderStop   = 1 // V4L2_ENC_CMD_STOP

	v4l2BufFlagKeyFrame = 0x00000008
	v4l2BufFlagLast     = 0x00100000

	v4l2ColorspaceSMPTE170M      = 1
	v4l2QuantizationLimitedRange = 2

	v4l2CIDBFrames     = 0x009909ca // V4L2_CID_MPEG_VIDEO_B_FRAMES
	v4l2CIDBitRateMode = 0x009909ce // V4L2_CID_MPEG_VIDEO_BITRATE_MODE
	v4l2CIDFrameRC     = 0x009909d7 // V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE
	v4l2CIDHeaderMode  = 0x009909d8 // V4L2_CID_MPEG_VIDEO_HEADER_MODE
	v4l2CIDH264Level   = 0x00990a67 // V4L2_CID_MPEG_VIDEO_H264_LEVEL

	v4l2ConstantBitRate   = 1 // V4L2_MPEG_VIDEO_BITRATE_MODE_CBR
	v4l2HeaderWithPicture = 1 // V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME
)
