package device

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The requests of linux/videodev2.h: _IOC(direction, 'V', number, size), as in
// asm-generic/ioctl.h, which amd64, arm64 and arm share.
const (
	iocWrite = 1
	iocRead  = 2

	vidiocQueryCap     = iocRead<<30 | unsafe.Sizeof(v4l2Capability{})<<16 | 'V'<<8
	vidiocEnumFmt      = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2FmtDesc{})<<16 | 'V'<<8 | 2
	vidiocGetFmt       = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2Format{})<<16 | 'V'<<8 | 4
	vidiocSetFmt       = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2Format{})<<16 | 'V'<<8 | 5
	vidiocReqBufs      = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2RequestBuffers{})<<16 | 'V'<<8 | 8
	vidiocQueryBuf     = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2Buffer{})<<16 | 'V'<<8 | 9
	vidiocQBuf         = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2Buffer{})<<16 | 'V'<<8 | 15
	vidiocExpBuf       = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2ExportBuffer{})<<16 | 'V'<<8 | 16
	vidiocDQBuf        = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2Buffer{})<<16 | 'V'<<8 | 17
	vidiocStreamOn     = iocWrite<<30 | 4<<16 | 'V'<<8 | 18
	vidiocStreamOff    = iocWrite<<30 | 4<<16 | 'V'<<8 | 19
	vidiocGetParm      = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2StreamParm{})<<16 | 'V'<<8 | 21
	vidiocSetParm      = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2StreamParm{})<<16 | 'V'<<8 | 22
	vidiocGetCtrl      = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2Control{})<<16 | 'V'<<8 | 27
	vidiocSetCtrl      = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2Control{})<<16 | 'V'<<8 | 28
	vidiocQueryMenu    = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2QueryMenu{})<<16 | 'V'<<8 | 37
	vidiocQueryCtrl    = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2QueryCtrl{})<<16 | 'V'<<8 | 36
	vidiocEnumSizes    = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2FrmSizeEnum{})<<16 | 'V'<<8 | 74
	vidiocEnumInterval = (iocRead|iocWrite)<<30 | unsafe.Sizeof(v4l2FrmIvalEnum{})<<16 | 'V'<<8 | 75
)

// kernel is what a camera asks of the operating system. The tests stand in for
// it with a driver of their own.
type kernel interface {
	Open(path string) (fd int, err error)
	Ioctl(fd int, request uintptr, argument unsafe.Pointer) error
	Mmap(fd int, offset int64, length int) ([]byte, error)
	Munmap(memory []byte) error
	Close(fd int) error
}

// linux is the kernel underneath.
type linux struct{}

var _ kernel = linux{}

// Open opens a device node without blocking.
func (linux) Open(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// Ioctl does one request, again when a signal came between.
func (linux) Ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(argument))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
			continue
		}
		return errno
	}
}

// Mmap maps a buffer of the driver.
func (linux) Mmap(fd int, offset int64, length int) ([]byte, error) {
	return unix.Mmap(fd, offset, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// Munmap gives a mapping back.
func (linux) Munmap(memory []byte) error { return unix.Munmap(memory) }

// Close closes the device node.
func (linux) Close(fd int) error { return unix.Close(fd) }
