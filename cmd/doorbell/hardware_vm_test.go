//go:build vm && browser

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"doorbell/device/guest"
)

const sshPort = 22

// hardware runs make hw-test with the Debian as the other machine, and presses its button when asked to.
func (d *debian) hardware() {
	dir := d.t.TempDir()
	key := filepath.Join(dir, "key")
	tool(d.t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	public, err := os.ReadFile(key + ".pub")
	d.must(err)
	d.must(d.Put(d.within(10*time.Second), "/root/.ssh/authorized_keys", 0o600, public))
	d.shell("mkdir -p /run/sshd")
	server, err := d.Start(d.within(10*time.Second), guest.Command{Args: []string{"/usr/sbin/sshd", "-D", "-e"}})
	d.must(err)
	d.must(server.WaitOutput(d.within(30*time.Second), "Server listening"))

	host, port, _ := strings.Cut(d.Address(sshPort), ":")
	test := exec.CommandContext(d.within(4*time.Minute), "../../.ci/hw-test", "root@"+host)
	test.Env = append(ownEnviron(),
		fmt.Sprintf("DOORBELL_SSH=-p %s -i %s -o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=%s/known", port, key, dir),
		"DOORBELL_TEST_EMULATED=1", "DOORBELL_TEST_MICROPHONE=hw:Loopback,1", "DOORBELL_TEST_SPEAKER=hw:Loopback,0",
		"DOORBELL_TEST_BUTTON_BY_HAND="+guest.ButtonName)
	out, err := test.StdoutPipe()
	d.must(err)
	test.Stderr = test.Stdout
	d.must(test.Start())
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if strings.Contains(lines.Text(), "press the button three times") {
			for range 3 {
				d.must(d.Press(d.within(10 * time.Second)))
				d.shell("sleep 0.3")
				d.must(d.Release(d.within(10 * time.Second)))
				d.shell("sleep 0.3")
			}
		}
	}
	if err := test.Wait(); err != nil {
		d.t.Errorf("%v:\n%s", err, said.String())
	}
	for _, passed := range []string{"TestV4L2CameraConforms", "TestRealMicrophone", "TestRealSpeaker", "TestButtonByHand", "TestLoopbackCall"} {
		if !strings.Contains(said.String(), "--- PASS: "+passed+" ") {
			d.t.Errorf("%s did not pass:\n%s", passed, said.String())
		}
	}
	d.must(server.Kill(d.within(10 * time.Second)))
	d.shell("rm -r /root/.ssh")
}
