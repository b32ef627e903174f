package device

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// RpicamOptions say what is wanted of a Raspberry Pi's camera module.
type RpicamOptions struct {
	Index         int     // which camera, as `rpicam-hello --list-cameras` counts them
	Width, Height int     // pixels; default 1280x720
	FrameRate     float64 // pictures per second; default 30
	// Pictures asks for raw pictures, which is more work, instead of H.264 that
	// comes out of the Pi's own encoder. Needed where there is no such encoder (Pi
	// 5), and to change pictures before they are encoded.
	Pictures bool
	BitRate  int // of H.264, bit/s; 0 fits the size
	// Image is how pictures are to be made; ControlProblem says what can't be done.
	Image []ImageControl
	// Program is the name or path of rpicam-vid. Default: the first of rpicam-vid
	// and libcamera-vid that is installed.
	Program string
}

const (
	// rpicamKeys is the time between key frames, for which rpicam-vid can't be asked.
	rpicamKeys = time.Second
	// rpicamStride is what raw pictures' rows are rounded up to; narrower pictures
	// avoid that, since the program doesn't say whether it did.
	rpicamStride = 64
	// rpicamEnd is how long the program has to end by itself.
	rpicamEnd = 2 * time.Second
)

// rpicamPrograms are the names that the program has had.
var rpicamPrograms = [...]string{"rpicam-vid", "libcamera-vid"}

// RpicamInstalled tells whether the program that reads camera modules is there.
func RpicamInstalled() bool {
	for _, name := range rpicamPrograms {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	return false
}

// RpicamCamera is a camera module of a Raspberry Pi, read by the child process
// rpicam-vid, which speaks to libcamera.
type RpicamCamera struct {
	*PipeCamera

	// Fixed after OpenRpicam.
	options RpicamOptions
	cmd     *exec.Cmd
	said    *lastWords
	ended   chan struct{} // closed when the child has ended
	closing sync.Once
}

// OpenRpicam starts the program. It fails with a *CameraError of kind ErrNotFound
// where that is not installed; what is wrong with the camera, reading tells.
func OpenRpicam(options RpicamOptions) (*RpicamCamera, error) {
	if options.Width == 0 && options.Height == 0 {
		options.Width, options.Height = 1280, 720
	}
	if options.FrameRate == 0 {
		options.FrameRate = 30
	}
	if options.BitRate == 0 {
		options.BitRate = fittedBitRate(options.Width, options.Height, options.FrameRate)
	}
	options.Width, options.Height = options.Width&^1, options.Height&^1
	if options.Pictures {
		options.Width = max(options.Width&^(rpicamStride-1), rpicamStride)
	}
	program, err := findRpicam(options.Program)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c := &RpicamCamera{options: options, said: &lastWords{}, ended: make(chan struct{})}
	c.cmd = exec.Command(program, options.arguments()...)
	c.cmd.Stdout, c.cmd.Stderr = w, c.said
	c.cmd.WaitDelay = rpicamEnd
	c.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true} // a Ctrl-C is ours to pass on
	err = c.cmd.Start()
	_ = w.Close() // the child has it, or nobody
	if err == nil {
		go func() {
			defer close(c.ended)
			_ = c.cmd.Wait() // ProcessState tells how
		}()
		if c.PipeCamera, err = newPipe(r, "rpicam"); err == nil {
			c.PipeCamera.again = c.gone
			c.begin()
			return c, nil
		}
		c.kill()
	}
	return nil, errors.Join(fmt.Errorf("camera rpicam: starting %s: %w", program, err), r.Close())
}

func findRpicam(wanted string) (string, error) {
	names := rpicamPrograms[:]
	if wanted != "" {
		names = []string{wanted}
	}
	var err error
	for _, name := range names {
		var path string
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &CameraError{Camera: "rpicam", Kind: ErrNotFound, Cause: err,
		Hint: "install the program that reads camera modules: `apt install rpicam-apps-lite` on Raspberry Pi OS"}
}

// arguments are rpicam-vid's options (www.raspberrypi.com/documentation/computers/camera_software.html).
func (o RpicamOptions) arguments() []string {
	rate := strconv.FormatFloat(o.FrameRate, 'f', -1, 64)
	args := []string{
		"--nopreview", "--timeout", "0", "--camera", strconv.Itoa(o.Index),
		"--width", strconv.Itoa(o.Width), "--height", strconv.Itoa(o.Height), "--framerate", rate, "--flush", "--output", "-",
	}
	image, _ := rpicamImage(o.Image) // ControlProblem tells
	args = append(args, image...)
	if o.Pictures {
		return append(args, "--codec", "yuv420")
	}
	keys := strconv.Itoa(max(int(rpicamKeys.Seconds()*o.FrameRate), 1))
	return append(args, "--codec", "h264", "--profile", "baseline", "--inline", "--intra", keys, "--bitrate", strconv.Itoa(o.BitRate))
}

// begin tells the pipe what will come.
func (c *RpicamCamera) begin() {
	o := c.options
	what := fmt.Sprintf("H.264 %dx%d at %.4g", o.Width, o.Height, o.FrameRate)
	if o.Pictures {
		what = fmt.Sprintf("YU12 %dx%d at %.4g", o.Width, o.Height, o.FrameRate)
		from := &pipeBytes{pipe: c.PipeCamera}
		stream := &rawStream{from: from, whole: bufio.NewReaderSize(from, pipeChunk), picture: newPicture(o.Width, o.Height)}
		c.read = stream.next
	}
	c.setRate(o.FrameRate)
	c.name(what)
}

// rawStream reads 4:2:0 pictures that follow each other without anything between.
type rawStream struct {
	from    *pipeBytes
	whole   *bufio.Reader
	picture *image.YCbCr
}

func (s *rawStream) next(ctx context.Context) (Frame, error) {
	s.from.ctx = ctx
	var began time.Time
	for i, plane := range [][]byte{s.picture.Y, s.picture.Cb, s.picture.Cr} {
		if i == 0 {
			if _, err := s.whole.Peek(1); err != nil {
				return Frame{}, err
			}
			began = s.from.last
		}
		if _, err := io.ReadFull(s.whole, plane); err != nil {
			return Frame{}, err
		}
	}
	return Frame{Picture: s.picture, Captured: began}, nil
}

// ReadFrame waits for the next picture or access unit. It fails with ErrStalled
// where none comes for 3 s, with ErrNotFound or ErrBusy where the program says that
// there is no camera or that another has it, and with what else it said where it
// ends.
func (c *RpicamCamera) ReadFrame(ctx context.Context) (Frame, error) {
	limited, cancel := context.WithTimeout(ctx, stallTimeout)
	defer cancel()
	f, err := c.PipeCamera.ReadFrame(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return f, &CameraError{Camera: "rpicam", Kind: ErrStalled, Cause: fmt.Errorf("none for %v", stallTimeout), Hint: "look at the camera's cable; it is started again"}
	}
	return f, err
}

// gone says why the child has ended: its pipe is at its end.
func (c *RpicamCamera) gone() error {
	select {
	case <-c.ended:
	case <-time.After(rpicamEnd):
		return &CameraError{Camera: "rpicam", Kind: ErrStalled, Cause: errors.New("it closed its output"), Hint: "it is started again"}
	}
	words := c.said.String()
	e := &CameraError{Camera: "rpicam", Kind: ErrUnplugged, Cause: fmt.Errorf("%s ended (%v): %s", c.cmd.Path, c.cmd.ProcessState, words), Hint: "it is started again"}
	switch {
	case strings.Contains(words, "no cameras available"):
		e.Kind, e.Hint = ErrNotFound, "look whether the module's cable sits right at both ends, and at `rpicam-hello --list-cameras`"
	case strings.Contains(words, "in use"), strings.Contains(words, "busy"), strings.Contains(words, "failed to acquire camera"):
		e.Kind, e.Hint = ErrBusy, "stop the other program that has the camera"
	}
	return e
}

// ControlProblem says which of the wishes for its pictures there is no option for.
func (c *RpicamCamera) ControlProblem() error {
	_, err := rpicamImage(c.options.Image)
	return err
}

// EncodingPath says who encodes.
func (c *RpicamCamera) EncodingPath() string {
	if c.options.Pictures {
		return "rpicam-vid gives pictures"
	}
	return "H.264 of the Pi's own encoder by rpicam-vid, passed on; a key frame comes each second"
}

// Close ends the program and waits for it.
func (c *RpicamCamera) Close() error {
	var err error
	c.closing.Do(func() {
		err = c.PipeCamera.Close()
		select {
		case <-c.ended: // by itself
			return
		default:
		}
		_ = unix.Kill(-c.cmd.Process.Pid, unix.SIGTERM)
		select {
		case <-c.ended:
		case <-time.After(rpicamEnd):
			c.kill()
		}
	})
	return err
}

// kill ends the program without asking.
func (c *RpicamCamera) kill() {
	_ = unix.Kill(-c.cmd.Process.Pid, unix.SIGKILL)
	<-c.ended
}

// lastWords keeps the end of what a program says.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

// Write takes what was said.
func (w *lastWords) Write(p []byte) (int, error) {
	const most = 2 << 10
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	w.text = w.text[max(0, len(w.text)-most):]
	return len(p), nil
}

// String is the last lines, in one.
func (w *lastWords) String() string {
	const most = 3
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(w.text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-most):], []byte("; ")))
}
