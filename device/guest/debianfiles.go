package guest

import "strings"

// linkTo begins the content of a file that is a link.
const linkTo = "link to "

// agentUnit runs the agent as a service of systemd. The program is not in the root: init brings it along.
const agentUnit = `[Unit]
Description=Agent of the test on the host
After=multi-user.target

[Service]
ExecStart=/run/guest/bin/guest agent
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/run/guest/bin HOME=/root USER=root TMPDIR=/tmp LANG=C.UTF-8
StandardOutput=journal+console
KillMode=process
TasksMax=infinity
OOMScoreAdjust=-1000

[Install]
WantedBy=multi-user.target
`

// debianFiles are what is put into a Debian root, by path: a machine with a name, the agent, no source of
// packages, and nothing running that a test does not need.
func debianFiles() map[string]string {
	const units = "etc/systemd/system/"
	files := map[string]string{
		"etc/hostname":                           "door\n",
		"etc/hosts":                              "127.0.0.1 localhost door\n::1 localhost\n",
		"etc/machine-id":                         "6f2c1d0c3f5b4d55a1f4a9d1f0a5c0de\n",
		"etc/fstab":                              "",
		"etc/apt/sources.list":                   "",
		"etc/dpkg/dpkg.cfg.d/guest":              "force-unsafe-io\n",
		"etc/systemd/journald.conf.d/guest.conf": "[Journal]\nStorage=volatile\nRateLimitBurst=0\n",
		"usr/lib/modules/.keep":                  "",
		units + "guest-agent.service":            agentUnit,
		units + "default.target":                 linkTo + "/lib/systemd/system/multi-user.target",
		units + "multi-user.target.wants/guest-agent.service": linkTo + unitsAt + "guest-agent.service",
	}
	for _, unit := range maskedUnits() {
		files[units+unit] = linkTo + "/dev/null"
	}
	return files
}

// unitsAt is where units are in the running guest.
const unitsAt = "/etc/systemd/system/"

// maskedUnits take time at each start, seconds in all under emulation, and do nothing for a test.
func maskedUnits() []string {
	return strings.Fields(`
		getty.target getty@tty1.service serial-getty@ttyS0.service systemd-logind.service systemd-user-sessions.service
		systemd-udev-trigger.service systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-random-seed.service
		systemd-hwdb-update.service systemd-journal-flush.service systemd-journal-catalog-update.service ldconfig.service
		systemd-pstore.service systemd-binfmt.service systemd-modules-load.service kmod-static-nodes.service systemd-firstboot.service
		systemd-remount-fs.service systemd-machine-id-commit.service systemd-boot-random-seed.service systemd-update-done.service
		systemd-pcrphase.service systemd-pcrphase-initrd.service systemd-pcrphase-sysinit.service systemd-pcrmachine.service
		systemd-ask-password-console.path systemd-ask-password-wall.path proc-sys-fs-binfmt_misc.automount
		modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service modprobe@loop.service
		dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount
		apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
		systemd-tmpfiles-clean.timer systemd-networkd.service systemd-networkd.socket systemd-network-generator.service systemd-resolved.service systemd-timesyncd.service
		systemd-fsck-root.service systemd-initctl.socket ssh.service`)
}
