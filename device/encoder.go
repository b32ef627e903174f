package device

import (
	"errors"
	"fmt"
	"image"
	"strings"
	"time"
)

// encoderSettings are what an encoder can't be told later.
type encoderSettings struct {
	width, height int           // pixels, even
	rate          float64       // pictures per second
	bitRate       int           // bit/s; 0 fits the size
	keyInterval   time.Duration // between key frames nobody asked for
	camera        *RawCamera    // in whose buffers the pictures are; nil: they are elsewhere
	first         *cameraBuffer // the first of them
	decoder       *decoderInfo  // of the camera's JPEG; nil: there is none
	copies        error         // why they are to be copied from there; nil: only where it has to be
}

// pictureEncoder makes H.264 of pictures of one size. It belongs to one goroutine.
type pictureEncoder interface {
	// encode takes a picture and hands on each access unit that is ready then:
	// none, where the picture was left out or is held back, or several.
	encode(p *image.YCbCr, captured time.Time, key bool, emit func(Frame) error) error
	// drain hands on what is still inside. Nothing can be encoded afterwards.
	drain(emit func(Frame) error) error
	// close frees the encoder, and what is inside it is lost.
	close() error
}

// bufferEncoder is one that can do with a picture in a camera's buffer.
type bufferEncoder interface {
	encodeBuffer(b *cameraBuffer, captured time.Time, key bool, emit func(Frame) error) error
}

// Encoder is which encoder a Video uses for cameras that give pictures.
type Encoder string

// The choices of an encoder.
const (
	EncoderAuto     Encoder = "auto"     // the hardware's where there is one, else software
	EncoderHardware Encoder = "hardware" // nothing but the hardware's
	EncoderSoftware Encoder = "software" // OpenH264
)

// encoderChooser finds the encoder. It belongs to a Video, and remembers hardware
// that failed.
type encoderChooser struct {
	// Fixed after NewVideo.
	choice Encoder
	kernel kernel
	nodes  string // the folder of device nodes

	failed map[string]error // hardware that is not tried again, by path
	copies map[string]error // hardware that does not get on with a camera's buffers, by what meeting says
}

// open makes an encoder, and says in words which it is and why.
func (c *encoderChooser) open(s encoderSettings) (encoder pictureEncoder, words string, err error) {
	var problems []string
	if c.choice != EncoderSoftware {
		if s.camera != nil && s.camera.coded() {
			s.decoder = findDecoder(c.kernel, videoNodes(c.nodes))
		}
		for _, info := range findEncoders(c.kernel, videoNodes(c.nodes), pixH264) {
			err := c.failed[info.Path]
			if err == nil {
				var e *hardwareEncoder
				s.copies = c.copies[meeting(info.Path, s)]
				if e, err = newHardwareEncoder(c.kernel, info, s); err == nil {
					return e, fmt.Sprintf("encoded by the hardware, %s, %s", info, e.way()), nil
				}
			}
			problems = append(problems, err.Error())
		}
	}
	why := "as configured"
	switch {
	case len(problems) > 0:
		why = strings.Join(problems, "; ")
	case c.choice != EncoderSoftware:
		why = "no device here encodes H.264"
	}
	if c.choice == EncoderHardware {
		return nil, "", fmt.Errorf("video encoder: no hardware: %s: set camera.encoder to auto", why)
	}
	software, err := newH264Encoder(s)
	if err != nil {
		return nil, "", err
	}
	return software, fmt.Sprintf("encoded in software by OpenH264 (%s)", why), nil
}

// meeting names an encoder and a camera that are to share buffers.
func meeting(path string, s encoderSettings) string {
	if s.camera == nil {
		return path
	}
	return path + " " + s.camera.String()
}

// giveUp notes that hardware has failed, and reports whether there is something
// else to go on with.
func (c *encoderChooser) giveUp(encoder pictureEncoder, err error) bool {
	h, ok := encoder.(*hardwareEncoder)
	if !ok || c.choice == EncoderHardware {
		return false
	}
	c.failed[h.device.path] = err
	return true
}

// copyInstead notes that hardware can't share the camera's buffers, if that is what has
// failed: opened anew, it gets copies.
func (c *encoderChooser) copyInstead(encoder pictureEncoder, err error) bool {
	h, ok := encoder.(*hardwareEncoder)
	why := (*notImportedError)(nil)
	if !ok || !errors.As(err, &why) {
		return false
	}
	c.copies[meeting(h.device.path, h.settings)] = why
	return true
}

// hardwareEncoder is a stateful encoder of the kernel that gives H.264.
type hardwareEncoder struct {
	*m2mEncoder
	units unitNormalizer
}

var _ pictureEncoder = (*hardwareEncoder)(nil)

func newHardwareEncoder(k kernel, info CodecInfo, s encoderSettings) (*hardwareEncoder, error) {
	e, err := openM2MEncoder(k, info.Path, pixH264, s)
	if err != nil {
		return nil, err
	}
	if !e.forcible {
		return nil, errors.Join(fmt.Errorf("video encoder %s: it makes no key frames on demand", info), e.close())
	}
	return &hardwareEncoder{m2mEncoder: e, units: unitNormalizer{fullRange: e.fullRange()}}, nil
}

// encode is as pictureEncoder says.
func (e *hardwareEncoder) encode(p *image.YCbCr, captured time.Time, key bool, emit func(Frame) error) error {
	return e.m2mEncoder.encode(p, captured, key, e.framed(emit))
}

// encodeBuffer is encode of a picture in the buffer of the camera that the encoder was
// opened for.
func (e *hardwareEncoder) encodeBuffer(b *cameraBuffer, captured time.Time, key bool, emit func(Frame) error) error {
	return e.m2mEncoder.encodeBuffer(b, captured, key, e.framed(emit))
}

// drain is as pictureEncoder says.
func (e *hardwareEncoder) drain(emit func(Frame) error) error {
	return e.m2mEncoder.drain(e.framed(emit))
}

// framed puts what the driver gives into the form of access units.
func (e *hardwareEncoder) framed(emit func(Frame) error) func(m2mUnit) error {
	return func(u m2mUnit) error {
		unit, key, err := e.units.normalize(u.data)
		if errors.Is(err, errNoSlice) {
			return nil // SPS and PPS alone, which it keeps for the next key frame
		}
		if err != nil {
			return fmt.Errorf("video encoder %s: %w", e.device.path, err)
		}
		return emit(Frame{Unit: unit, Key: key, Captured: u.captured})
	}
}
