package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// maxFile bounds what is read of a certificate's file, in bytes: long chains take
// some 20 KB.
const maxFile = 256 << 10

// identity is a certificate with its key. They stand in one file, so that no power
// cut can leave the one without the other.
type identity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// errNoIdentity says that a file is not what encode wrote.
var errNoIdentity = errors.New("damaged, or not one certificate and its key")

// parseIdentity reads what encode wrote.
func parseIdentity(data []byte) (identity, error) {
	var id identity
	all := data
	for len(bytes.TrimSpace(data)) > 0 {
		var block *pem.Block
		block, data = pem.Decode(data)
		switch {
		case block == nil:
			return identity{}, errNoIdentity
		case block.Type == "CERTIFICATE" && id.cert == nil:
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return identity{}, fmt.Errorf("%w: %w", errNoIdentity, err)
			}
			id.cert = cert
		case block.Type == "PRIVATE KEY" && id.key == nil:
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return identity{}, fmt.Errorf("%w: %w", errNoIdentity, err)
			}
			id.key, _ = key.(*ecdsa.PrivateKey)
		default:
			return identity{}, errNoIdentity
		}
	}
	if id.cert == nil || id.key == nil || !id.key.PublicKey.Equal(id.cert.PublicKey) {
		return identity{}, errNoIdentity
	}
	// A key holds more than is looked at when it is read.
	if again, err := id.encode(); err != nil || !bytes.Equal(bytes.TrimSpace(all), bytes.TrimSpace(again)) {
		return identity{}, errNoIdentity
	}
	return id, nil
}

// encode returns certificate and key (PKCS #8) as PEM.
func (id identity) encode() ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		return nil, fmt.Errorf("encoding the key: %w", err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.cert.Raw})
	return append(data, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...), nil
}

// tls returns the identity as a TLS server presents it.
func (id identity) tls() *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{id.cert.Raw}, PrivateKey: id.key, Leaf: id.cert}
}

// readFile reads a file, which must be small.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes, so it is no certificate", path, maxFile)
	}
	return data, err
}

// readRoot reads a file with an authority.
func readRoot(path string) (identity, error) {
	root, err := readIdentity(path)
	if err != nil {
		return identity{}, err
	}
	if err := root.cert.CheckSignatureFrom(root.cert); err != nil {
		return identity{}, fmt.Errorf("%s: %w: %w", path, errNoIdentity, err)
	}
	return root, nil
}

// readIdentity reads a file that writeFile wrote.
func readIdentity(path string) (identity, error) {
	data, err := readFile(path)
	if err != nil {
		return identity{}, err
	}
	id, err := parseIdentity(data)
	if err != nil {
		return identity{}, fmt.Errorf("%s: %w", path, err)
	}
	return id, nil
}

// writeFile replaces a file that nobody else may read. When it returns nil, the new
// one survives a power cut; before that, the old or the new one does.
func writeFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	// renameio writes a file beside it, flushes that to the disk, and renames it. Not
	// in $TMPDIR: it is a key.
	if err := renameio.WriteFile(path, data, 0o600, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o600)); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return flush(dir)
}

// flush writes a folder's names to the disk (fsync(2)).
func flush(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("flushing %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("flushing %s: %w", dir, err)
	}
	return nil
}
