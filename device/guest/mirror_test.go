package guest

import "testing"

func TestDebianArchive(t *testing.T) {
	for targets, want := range map[string]string{
		"": "",
		"Debian http://archive.test/debian-security/\nDebian http://archive.test/debian/\n": "http://archive.test/debian/",
		"Raspbian http://other.test/\nDebian http://archive.test/debian/\n":                 "http://archive.test/debian/",
		"Raspbian http://other.test/\n":                                                     "",
	} {
		if got := debianArchive(targets); got != want {
			t.Errorf("%q: got %q, want %q", targets, got, want)
		}
	}
}
