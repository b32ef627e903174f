package agent

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Server is the guest's side.
type Server struct {
	// Fixed after NewServer.
	port  io.ReadWriter
	hello Hello

	// Owned by Run.
	files map[uint32]*incoming
	wait  sync.WaitGroup

	// Guarded by mu.
	mu        sync.Mutex
	processes map[uint32]*os.Process

	// Held while writing to port.
	writing sync.Mutex
}

// NewServer makes a server on port.
func NewServer(port io.ReadWriter, hello Hello) *Server {
	return &Server{port: port, hello: hello, files: map[uint32]*incoming{}, processes: map[uint32]*os.Process{}}
}

// Run serves until the stream ends or makes no sense. Then it kills what it started, waits for its end,
// and returns: nil if the stream just ended.
func (s *Server) Run() error {
	defer s.wait.Wait()
	defer s.killAll()
	defer s.dropFiles()
	r := bufio.NewReaderSize(s.port, 64<<10)
	for {
		f, err := ReadFrame(r)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.handle(f); err != nil {
			return fmt.Errorf("frame of kind %d: %w", f.Kind, err)
		}
	}
}

func (s *Server) handle(f Frame) error {
	switch f.Kind {
	case KindHello:
		return s.send(KindHello, f.Stream, s.hello)
	case KindStart:
		var c Command
		if err := json.Unmarshal(f.Body, &c); err != nil {
			return err
		}
		return s.start(f.Stream, c)
	case KindSignal:
		var sig Signal
		if err := json.Unmarshal(f.Body, &sig); err != nil {
			return err
		}
		s.signal(f.Stream, sig)
		return nil
	case KindPut:
		var p Put
		if err := json.Unmarshal(f.Body, &p); err != nil {
			return err
		}
		s.files[f.Stream] = newIncoming(p)
		return nil
	case KindData:
		s.files[f.Stream].write(f.Body)
		return nil
	case KindEnd:
		file := s.files[f.Stream]
		delete(s.files, f.Stream)
		return s.send(KindExit, f.Stream, Exit{Error: text(file.finish())})
	}
	return errors.New("not one that a guest is sent")
}

func (s *Server) start(stream uint32, c Command) error {
	if len(c.Args) == 0 {
		return s.send(KindExit, stream, Exit{Code: -1, Error: "start: no program named"})
	}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Dir = c.Dir
	if len(c.Stdin) > 0 {
		cmd.Stdin = &reader{b: c.Stdin}
	}
	cmd.Stdout = &output{s, KindStdout, stream}
	cmd.Stderr = &output{s, KindStderr, stream}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // for what it left behind with its output still open
	s.mu.Lock()
	err := cmd.Start()
	if err == nil {
		s.processes[stream] = cmd.Process
	}
	s.mu.Unlock()
	if err != nil {
		return s.send(KindExit, stream, Exit{Code: -1, Error: err.Error()})
	}
	if err := s.send(KindStarted, stream, Started{PID: cmd.Process.Pid}); err != nil {
		return err
	}
	s.wait.Go(func() { s.finish(stream, cmd) })
	return nil
}

// finish waits for a process and tells how it ended.
func (s *Server) finish(stream uint32, cmd *exec.Cmd) {
	err := cmd.Wait()
	s.mu.Lock()
	delete(s.processes, stream)
	s.mu.Unlock()
	exit := Exit{Code: -1}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok {
		exit.Code = status.ExitStatus()
		if status.Signaled() {
			exit.Signal = int(status.Signal())
		}
	} else {
		exit.Error = text(err)
	}
	s.send(KindExit, stream, exit)
}

func (s *Server) signal(stream uint32, sig Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.processes[stream]
	switch {
	case p == nil: // it has ended; its Exit is on the way
	case sig.Group:
		syscall.Kill(-p.Pid, syscall.Signal(sig.Number))
	default:
		p.Signal(syscall.Signal(sig.Number))
	}
}

func (s *Server) killAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.processes {
		syscall.Kill(-p.Pid, syscall.SIGKILL)
	}
}

func (s *Server) dropFiles() {
	for _, f := range s.files {
		f.drop()
	}
}

func (s *Server) send(kind Kind, stream uint32, v any) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return WriteJSON(s.port, kind, stream, v)
}

// output sends what a process prints.
type output struct {
	server *Server
	kind   Kind
	stream uint32
}

func (o *output) Write(p []byte) (int, error) {
	o.server.writing.Lock()
	defer o.server.writing.Unlock()
	for rest := p; len(rest) > 0; {
		n := min(len(rest), MaxBody)
		if err := WriteFrame(o.server.port, Frame{o.kind, o.stream, rest[:n]}); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// reader is a bytes.Reader without WriteTo, so that a closed pipe is no error.
type reader struct{ b []byte }

func (r *reader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

// incoming is a file on its way from the host. A nil one, which a confused host can bring about, fails
// in finish.
type incoming struct {
	put  Put
	file *os.File
	n    int64
	err  error
}

func newIncoming(p Put) *incoming {
	in := &incoming{put: p}
	if in.err = os.MkdirAll(filepath.Dir(p.Path), 0o755); in.err == nil {
		in.file, in.err = os.CreateTemp(filepath.Dir(p.Path), ".put-*")
	}
	return in
}

func (in *incoming) write(b []byte) {
	if in != nil && in.err == nil {
		var n int
		n, in.err = in.file.Write(b)
		in.n += int64(n)
	}
}

func (in *incoming) finish() error {
	if in == nil {
		return errors.New("put: end of a file never begun")
	}
	if in.err == nil && in.n != in.put.Size {
		in.err = fmt.Errorf("put %s: %d bytes came, %d were announced", in.put.Path, in.n, in.put.Size)
	}
	if in.err == nil {
		in.err = in.file.Chmod(os.FileMode(in.put.Mode).Perm())
	}
	if in.err == nil {
		in.err = in.file.Close()
	}
	if in.err == nil {
		in.err = os.Rename(in.file.Name(), in.put.Path)
	}
	if in.err != nil {
		in.drop()
	}
	return in.err
}

func (in *incoming) drop() {
	if in != nil && in.file != nil {
		in.file.Close()
		os.Remove(in.file.Name())
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
