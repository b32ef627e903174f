package configs

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// prefix begins the environment variables that override a key: ring.timeout is
// DOORBELL_RING_TIMEOUT.
const prefix = "DOORBELL_"

// reserved are variables with our prefix that are no keys.
var reserved = [...]string{prefix + "CONFIG"}

// reader reads one file, and remembers where each value stood.
type reader struct {
	file   string
	places map[string]string // "ring.timeout" → "doorbell.yaml:12:3"
}

func newReader(file string) *reader { return &reader{file: file, places: map[string]string{}} }

// read sets what the file says, and leaves the rest of c alone.
func (r *reader) read(source []byte, c *Config) error {
	file, err := parser.ParseBytes(source, 0)
	if err != nil {
		return r.syntax(err)
	}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType {
			continue
		}
		if err := r.set("", r.at, doc.Body, reflect.ValueOf(c).Elem()); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) syntax(err error) error {
	var where yaml.Error
	if !errors.As(err, &where) || where.GetToken() == nil {
		return fmt.Errorf("%s: %w", r.file, err)
	}
	position := where.GetToken().Position
	return fmt.Errorf("%s:%d:%d: not YAML: %s", r.file, position.Line, position.Column, where.GetMessage())
}

// at says where a node stands.
func (r *reader) at(node ast.Node) string {
	position := node.GetToken().Position
	return fmt.Sprintf("%s:%d:%d", r.file, position.Line, position.Column)
}

// short is the field for which a bare name stands, where a struct has one.
func short(t reflect.Type) (field reflect.StructField, ok bool) {
	for _, name := range []string{"Source", "Mode"} {
		if field, ok = t.FieldByName(name); ok {
			return field, true
		}
	}
	return field, false
}

// set puts node into target, which is the value at path. A struct that has a
// `source` or a `mode` may be written as a bare name.
func (r *reader) set(path string, at func(ast.Node) string, node ast.Node, target reflect.Value) error {
	if target.Kind() != reflect.Struct {
		return r.leaf(path, at, node, target)
	}
	if field, ok := short(target.Type()); ok && node.Type() != ast.MappingType {
		return r.leaf(join(path, field.Tag.Get("yaml")), at, node, target.FieldByIndex(field.Index))
	}
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		return fmt.Errorf("%s: %s: expected keys and values (%s), got %s", at(node), orTop(path), strings.Join(keys(target), ", "), kind(node))
	}
	for _, entry := range mapping.Values {
		name := entry.Key.String()
		index := slices.Index(keys(target), name)
		if index < 0 {
			return fmt.Errorf("%s: unknown key %q in %s%s", at(entry.Key), name, orTop(path), nearest(name, keys(target)))
		}
		if err := r.set(join(path, name), at, entry.Value, target.Field(index)); err != nil {
			return err
		}
	}
	return nil
}

// leaf puts one value.
func (r *reader) leaf(path string, at func(ast.Node) string, node ast.Node, target reflect.Value) error {
	r.places[path] = at(node)
	if list, ok := node.(*ast.SequenceNode); ok && target.Kind() == reflect.Slice {
		items := reflect.MakeSlice(target.Type(), len(list.Values), len(list.Values))
		for i, item := range list.Values {
			if err := r.set(fmt.Sprintf("%s[%d]", path, i), at, item, items.Index(i)); err != nil {
				return err
			}
		}
		target.Set(items)
		return nil
	}
	value := reflect.New(target.Type())
	if target.Kind() == reflect.Slice || !fits(node, target.Type()) || yaml.NodeToValue(node, value.Interface()) != nil {
		return fmt.Errorf("%s: %s: expected %s, got %s", at(node), path, expected(target.Type()), kind(node))
	}
	target.Set(value.Elem())
	return nil
}

// fits keeps YAML's guesses out: a name that looks like a number is a name, but
// a list is none, and `no` is not a number.
func fits(node ast.Node, target reflect.Type) bool {
	switch node.Type() {
	case ast.StringType, ast.LiteralType:
		return target.Kind() == reflect.String || target == reflect.TypeFor[time.Duration]()
	case ast.IntegerType, ast.FloatType:
		return target != reflect.TypeFor[time.Duration]() && target.Kind() != reflect.Bool
	case ast.BoolType:
		return target.Kind() == reflect.Bool
	}
	return false
}

func expected(target reflect.Type) string {
	switch {
	case target == reflect.TypeFor[time.Duration]():
		return "a duration with its unit, such as 30s or 1m30s"
	case target.Kind() == reflect.Bool:
		return "true or false"
	case target.Kind() == reflect.Int:
		return "a whole number"
	case target.Kind() == reflect.Slice:
		return "a list, such as [a, b]"
	}
	return "a text"
}

func kind(node ast.Node) string {
	switch node.Type() {
	case ast.MappingType, ast.MappingValueType:
		return "keys and values"
	case ast.SequenceType:
		return "a list"
	case ast.NullType:
		return "nothing"
	}
	return fmt.Sprintf("%q", node.String())
}

// environment sets what variables say. YAML is their value, so that a list is
// written as [a, b].
func (r *reader) environment(environ []string, c *Config) error {
	paths := Keys()
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, prefix) || slices.Contains(reserved[:], name) {
			continue
		}
		index := slices.IndexFunc(paths, func(path string) bool { return Variable(path) == name })
		if index < 0 {
			known := make([]string, len(paths))
			for i, path := range paths {
				known[i] = Variable(path)
			}
			return fmt.Errorf("environment: unknown variable %s%s", name, nearest(name, known))
		}
		if err := r.override(name, value, paths[index], c); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) override(name, value, path string, c *Config) error {
	if target := field(reflect.ValueOf(c).Elem(), path); value == "" && target.Kind() == reflect.String {
		target.SetString("") // which YAML would have us write as ""
		return nil
	}
	file, err := parser.ParseBytes([]byte(value), 0)
	if err != nil || len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return fmt.Errorf("environment: %s: %q is no YAML value for %s", name, value, path)
	}
	at := func(ast.Node) string { return "environment variable " + name }
	return r.set(path, at, file.Docs[0].Body, field(reflect.ValueOf(c).Elem(), path))
}

// Variable returns the environment variable that overrides the key at path.
func Variable(path string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// Keys lists every key, such as "ring.timeout", and "camera" for the short form
// of "camera.source" ("access" for that of "access.mode").
func Keys() []string { return walk("", reflect.TypeFor[Config]()) }

func walk(path string, t reflect.Type) []string {
	var paths []string
	if _, ok := short(t); ok {
		paths = append(paths, path)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		at := join(path, f.Tag.Get("yaml"))
		if f.Type.Kind() == reflect.Struct {
			paths = append(paths, walk(at, f.Type)...)
		} else {
			paths = append(paths, at)
		}
	}
	return paths
}

// field finds the value at path, which [Keys] gave.
func field(value reflect.Value, path string) reflect.Value {
	for name := range strings.SplitSeq(path, ".") {
		value = value.Field(slices.Index(keys(value), name))
	}
	return value
}

func keys(value reflect.Value) []string {
	names := make([]string, value.NumField())
	for i := range names {
		names[i] = value.Type().Field(i).Tag.Get("yaml")
	}
	return names
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func orTop(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

// nearest suggests the known name that is most like what was written.
func nearest(name string, known []string) string {
	best, least := "", len(name)
	for _, candidate := range known {
		if d := levenshtein.ComputeDistance(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	if best == "" {
		return fmt.Sprintf("; known are %s", strings.Join(known, ", "))
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
