package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// page holds the files as they stand in the repository; nothing is built.
//
//go:embed page
var page embed.FS

// asset is one file ready to be sent. Fixed after newAsset.
type asset struct {
	contentType string
	plain       []byte
	zipped      func() []byte // gzip of plain, nil where that isn't smaller; made when first asked for, so that the door starts sooner
	tag         string        // hash of plain, without quotes
}

// contentType returns the MIME type by extension: the system's own table, which mime.TypeByExtension reads, differs between machines.
func contentType(name string) (string, error) {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8", nil
	case ".css":
		return "text/css; charset=utf-8", nil
	case ".js":
		return "text/javascript; charset=utf-8", nil
	case ".json":
		return "application/json", nil
	case ".svg":
		return "image/svg+xml", nil
	case ".png":
		return "image/png", nil
	case ".webmanifest":
		return "application/manifest+json", nil
	default:
		return "", fmt.Errorf("%s: no content type is known for %q", name, ext)
	}
}

// loadPage makes assets of all embedded files, by URL path. index.html is "/".
func loadPage() (map[string]*asset, error) {
	files := make(map[string]*asset)
	err := fs.WalkDir(page, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := page.ReadFile(name)
		if err != nil {
			return err
		}
		kind, err := contentType(name)
		if err != nil {
			return err
		}
		files[strings.TrimPrefix(name, "page")] = newAsset(kind, data)
		return nil
	})
	if err != nil {
		return nil, err
	}
	index, ok := files["/index.html"]
	if !ok {
		return nil, fmt.Errorf("index.html: %w", fs.ErrNotExist)
	}
	files["/"] = index
	return files, nil
}

// mention finds file names in a text: those of modules that it imports, styles, pictures and so on.
var mention = regexp.MustCompile(`[\w./-]+\.(?:js|css|svg|png|webmanifest)\b`)

// reach makes a file, and all that it names, directly or not, something that strangers get. None of it is a secret; it is what
// the pages for strangers are made of.
func (s *site) reach(name string) {
	file := s.files[name]
	if file == nil || s.public[name] {
		return
	}
	s.public[name] = true
	for _, other := range mention.FindAllString(string(file.plain), -1) {
		s.reach(path.Join(path.Dir(name), other))
	}
}

func newAsset(contentType string, data []byte) *asset {
	hash := sha256.Sum256(data)
	return &asset{
		contentType: contentType, plain: data, tag: hex.EncodeToString(hash[:12]),
		zipped: sync.OnceValue(func() []byte { return zip(data) }),
	}
}

// zip compresses data (RFC 1952); nil where that isn't smaller.
func zip(data []byte) []byte {
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	_, err := w.Write(data)
	if err = errors.Join(err, w.Close()); err != nil || buffer.Len() >= len(data) {
		return nil // a buffer takes all: there is no such error
	}
	return buffer.Bytes()
}

// serve sends the file, zipped for those who take it. Browsers keep it but ask each time whether it is still the same
// (Cache-Control no-cache), so that after an update nobody runs the old page's half with the new one's.
func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "no-cache")
	body, tag := a.plain, a.tag
	if zipped := a.zipped(); zipped != nil {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Values("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			h.Set("Content-Length", strconv.Itoa(len(zipped))) // ServeContent leaves it out beside a Content-Encoding
			body, tag = zipped, a.tag+"-gzip"                  // a strong tag names the bytes that are sent (RFC 9110, section 8.8.3.3)
		}
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3): gzip or * named, and not with weight 0.
func acceptsGzip(lists []string) bool {
	rest := false // what * says
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			coding, parameters, _ := strings.Cut(item, ";")
			weighed := weight(parameters) > 0
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip":
				return weighed
			case "*":
				rest = weighed
			}
		}
	}
	return rest
}

// weight returns the q parameter, 1 without one, 0 where it can't be read.
func weight(parameters string) float64 {
	name, value, ok := strings.Cut(parameters, "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		return 0
	}
	return q
}
