// Package store keeps what must survive a power cut: small files that are
// replaced whole, each with the copy that was good before it.
package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/renameio/v2"
)

// maxSize bounds a file, in bytes: past it something is wrong, and a small board
// must not run out of memory over it.
const maxSize = 16 << 20

// File is one value of type T on disk, as JSON behind a line with its SHA-256.
// Whatever instant the power goes at, Load finds the value that was saved last or
// the one before it, whole.
type File[T any] struct {
	// Fixed after NewFile.
	path string

	mu sync.Mutex // one Save at a time
}

// NewFile names a file. It touches nothing.
func NewFile[T any](path string) *File[T] { return &File[T]{path: path} }

// previous is where the copy stands that was good before.
func (f *File[T]) previous() string { return f.path + ".previous" }

// ErrDamaged says that neither the file nor the copy before it can be read.
var ErrDamaged = errors.New("damaged")

// Load returns the value that was saved last. found is false where nothing was
// ever saved. Where the newest file is damaged (a worn card, say), the one before
// it is returned together with an error that wraps ErrDamaged and found true.
func (f *File[T]) Load() (value T, found bool, err error) {
	value, newest := f.read(f.path)
	if newest == nil {
		return value, true, nil
	}
	older, before := f.read(f.previous())
	switch {
	case errors.Is(newest, fs.ErrNotExist) && errors.Is(before, fs.ErrNotExist):
		return value, false, nil
	case before == nil && errors.Is(newest, fs.ErrNotExist):
		return older, true, nil // the power went between the two steps of a Save
	case before == nil:
		return older, true, fmt.Errorf("%w; the copy before it was taken", newest)
	}
	return value, false, errors.Join(newest, before)
}

func (f *File[T]) read(path string) (value T, err error) {
	file, err := os.Open(path)
	if err != nil {
		return value, fmt.Errorf("reading the state: %w", err)
	}
	defer func() { _ = file.Close() }()
	var data bytes.Buffer
	if n, err := data.ReadFrom(io.LimitReader(file, maxSize+1)); err != nil || n > maxSize {
		return value, errors.Join(fmt.Errorf("reading the state in %s: %w", path, ErrDamaged), err)
	}
	sum, body, found := bytes.Cut(data.Bytes(), []byte("\n"))
	if !found || string(sum) != checksum(body) {
		return value, fmt.Errorf("reading the state in %s: %w", path, ErrDamaged)
	}
	if err := json.Unmarshal(body, &value); err != nil {
		return value, fmt.Errorf("reading the state in %s: %w: %w", path, ErrDamaged, err)
	}
	return value, nil
}

func checksum(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Save replaces the value. When it returns nil, the new value survives a power
// cut; before that, the old or the new one does.
func (f *File[T]) Save(value T) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("saving the state: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("saving the state: %w", err)
	}
	if err := f.keep(); err != nil {
		return fmt.Errorf("keeping the state's last copy: %w", err)
	}
	data := append([]byte(checksum(body)+"\n"), body...)
	// renameio writes a file beside it, flushes that to the disk, and renames it.
	if err := renameio.WriteFile(f.path, data, 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("saving the state: %w", err)
	}
	return flush(filepath.Dir(f.path))
}

// keep makes a good file the previous one; a damaged one must not replace a good
// copy.
func (f *File[T]) keep() error {
	if _, err := f.read(f.path); err != nil {
		return nil
	}
	link := f.previous() + ".new"
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(f.path, link); err != nil {
		return err
	}
	return os.Rename(link, f.previous())
}

// flush writes a folder's names to the disk (fsync(2)).
func flush(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("flushing the state's folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("flushing the state's folder: %w", err)
	}
	return nil
}
