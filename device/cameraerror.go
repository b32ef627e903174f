package device

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What can be wrong with a camera, to be asked with errors.Is.
var (
	// ErrNotFound: there is no such device or file.
	ErrNotFound = errors.New("not found")
	// ErrPermission: it is there, but may not be opened by this user.
	ErrPermission = errors.New("permission denied")
	// ErrBusy: another program is using it.
	ErrBusy = errors.New("busy")
	// ErrNotCapture: it is something else than a camera that can be read.
	ErrNotCapture = errors.New("not a usable camera")
	// ErrUnplugged: it vanished while it was open.
	ErrUnplugged = errors.New("camera was unplugged")
	// ErrStalled: it is there but has stopped delivering pictures.
	ErrStalled = errors.New("camera stopped delivering pictures")
	// ErrClosed: Close was called on it.
	ErrClosed = errors.New("camera is closed")
)

// CameraError says which camera failed, how, and what the householder can do.
type CameraError struct {
	Camera string // path as configured, such as /dev/video0
	Kind   error  // one of the Err values above
	Cause  error  // what the kernel or parser said; may be nil
	Hint   string // what to do about it; may be empty
}

// Error is the camera, the kind, the cause and the hint in one line.
func (e *CameraError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "camera %s: %v", e.Camera, e.Kind)
	if e.Cause != nil {
		fmt.Fprintf(&b, " (%v)", e.Cause)
	}
	if e.Hint != "" {
		b.WriteString(": ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// Unwrap gives the kind and the cause to errors.Is.
func (e *CameraError) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// cameraError sorts what the kernel said while doing something with the camera.
func cameraError(camera, doing string, err error) error {
	e := &CameraError{Camera: camera, Cause: fmt.Errorf("%s: %w", doing, err)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Kind = ErrNotFound
		e.Hint = "look whether it is plugged in; `ls /dev/video*` lists what there is"
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = ErrPermission, permissionHint(camera)
	case errors.Is(err, unix.EBUSY):
		e.Kind, e.Hint = ErrBusy, busyHint(camera)
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		e.Kind, e.Hint = ErrUnplugged, "plug it in again"
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL):
		e.Kind, e.Hint = ErrNotCapture, "choose another device; `doorbell doctor` lists them"
	default:
		return fmt.Errorf("camera %s: %s: %w", camera, doing, err)
	}
	return e
}

// permissionHint names the group that may open the device.
func permissionHint(path string) string {
	group := "video"
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err == nil {
		if g, err := user.LookupGroupId(strconv.FormatUint(uint64(st.Gid), 10)); err == nil {
			group = g.Name
		}
	}
	if group == "root" {
		return "only root may open it; give it to group video by a udev rule, or run as root"
	}
	return fmt.Sprintf("add the user that runs doorbell to group %s (sudo usermod -aG %s USER) and log in again", group, group)
}

// busyHint names who holds the device, as far as /proc shows it to us.
func busyHint(path string) string {
	held := holders("/proc", path)
	if len(held) == 0 {
		return fmt.Sprintf("another program uses it; `sudo fuser -v %s` says which", path)
	}
	return "it is used by " + strings.Join(held, ", ") + "; end that first"
}

// holders lists "name (process id)" of other processes that have path open.
func holders(proc, path string) []string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	descriptors, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*"))
	if err != nil {
		return nil
	}
	var found []string
	seen := map[string]bool{strconv.Itoa(os.Getpid()): true}
	for _, descriptor := range descriptors {
		process := filepath.Dir(filepath.Dir(descriptor))
		id := filepath.Base(process)
		if seen[id] {
			continue
		}
		if target, err := os.Readlink(descriptor); err != nil || target != path {
			continue
		}
		seen[id] = true
		name, err := os.ReadFile(filepath.Join(process, "comm"))
		if err != nil {
			name = []byte("a process")
		}
		found = append(found, fmt.Sprintf("%s (%s)", strings.TrimSpace(string(name)), id))
	}
	return found
}
