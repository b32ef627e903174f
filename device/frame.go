package device

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"time"
)

// Frame is one picture or one access unit. It is valid until the next is read.
type Frame struct {
	Picture  *image.YCbCr // 4:2:0; nil where Unit is set
	Unit     []byte       // H.264 with 4-byte start codes; nil where Picture is set
	Key      bool         // Unit is an IDR picture with its SPS and PPS
	Captured time.Time    // with Go's monotonic reading

	buffer *cameraBuffer // what the picture lies in where Picture and Unit are nil
}

// picture is the picture, made of the camera's buffer where it has to be.
func (f *Frame) picture() (*image.YCbCr, error) {
	if f.buffer != nil {
		return f.buffer.picture()
	}
	return f.Picture, nil
}

// size is that of the picture, pixels.
func (f *Frame) size() image.Point {
	if f.buffer != nil {
		return image.Pt(f.buffer.camera.layout.width, f.buffer.camera.layout.height)
	}
	return f.Picture.Rect.Size()
}

// frameReader is a camera whose source may give either.
type frameReader interface {
	ReadFrame(ctx context.Context) (Frame, error)
}

// pictureReader is a camera that gives raw pictures.
type pictureReader interface {
	ReadPicture(ctx context.Context) (*image.YCbCr, time.Time, error)
}

// frameLender is a camera that leaves its pictures in its driver's buffers.
type frameLender interface {
	readFrame(ctx context.Context) (Frame, error)
}

// unitReader is a camera that gives H.264.
type unitReader interface {
	ReadAccessUnit(ctx context.Context) (unit []byte, key bool, captured time.Time, err error)
}

// keyFramer is a camera that makes key frames on demand.
type keyFramer interface{ RequestKeyFrame() }

// readerOf makes one method of whichever of them a camera has.
func readerOf(camera io.Closer) (func(ctx context.Context) (Frame, error), error) {
	switch c := camera.(type) {
	case nil:
		return nil, errors.New("no camera was opened")
	case frameReader:
		return c.ReadFrame, nil
	case frameLender:
		return c.readFrame, nil
	case pictureReader:
		return func(ctx context.Context) (Frame, error) {
			p, captured, err := c.ReadPicture(ctx)
			return Frame{Picture: p, Captured: captured}, err
		}, nil
	case unitReader:
		return func(ctx context.Context) (Frame, error) {
			unit, key, captured, err := c.ReadAccessUnit(ctx)
			return Frame{Unit: unit, Key: key, Captured: captured}, err
		}, nil
	}
	return nil, fmt.Errorf("%T is no camera: it has neither ReadPicture nor ReadAccessUnit nor ReadFrame", camera)
}
