package demorelay

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

func asString(v json.RawMessage) (string, bool) {
	var s *string
	if v == nil || json.Unmarshal(v, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

// toString is what JavaScript makes of a value where it needs a string, as for a
// property's name (ECMA-262, 7.1.17). Nil is undefined.
func toString(v json.RawMessage) string {
	if v == nil {
		return "undefined"
	}
	var x any
	if json.Unmarshal(v, &x) != nil {
		return "undefined"
	}
	return stringOf(x)
}

func stringOf(x any) string {
	switch x := x.(type) {
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case float64:
		return number(x)
	case []any:
		parts := make([]string, len(x))
		for i, e := range x {
			if e != nil { // null is empty in a list
				parts[i] = stringOf(e)
			}
		}
		return strings.Join(parts, ",")
	case map[string]any:
		return "[object Object]"
	}
	return "null"
}

// number is ECMA-262, 6.1.6.1.20: without an exponent from 1e-6 up to 1e21.
func number(x float64) string {
	if x == 0 {
		return "0" // -0 too
	}
	if a := math.Abs(x); a < 1e21 && a >= 1e-6 {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	s := strconv.FormatFloat(x, 'e', -1, 64)
	return strings.NewReplacer("e+0", "e+", "e-0", "e-").Replace(s)
}

// truthy is ECMA-262, 7.1.2, for what JSON can hold.
func truthy(v json.RawMessage) bool {
	if v == nil {
		return false
	}
	var x any
	if json.Unmarshal(v, &x) != nil {
		return false
	}
	switch x := x.(type) {
	case nil:
		return false
	case bool:
		return x
	case float64:
		return x != 0
	case string:
		return x != ""
	}
	return true
}
