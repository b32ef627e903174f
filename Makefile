# doorbell. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unreleased)
# hraban/opus would link libopusfile for a reader of Ogg files, which is not needed here.
TAGS := nolibopusfile
# All is compiled the same way, for a look, a test or a release, so that each package is once; and without what
# debuggers read, which is in no release and takes a tenth of the time. (dlv compiles with flags of its own.)
export GOFLAGS := -tags=$(TAGS) -buildvcs=false -trimpath -gcflags=all=-dwarf=false
export GOTOOLCHAIN ?= auto
# For Go's compiler, which takes an eighth less time when it collects garbage less often. Not for what is tested.
COMPILE := GOGC=400
export CGO_ENABLED := 1
export PKG_CONFIG := $(CURDIR)/.ci/pkg-config
# Of miniaudio, which malgo compiles, only what talks to ALSA: the whole takes a minute.
MINIAUDIO := -DMA_ENABLE_ONLY_SPECIFIC_BACKENDS -DMA_ENABLE_ALSA -DMA_NO_DECODING -DMA_NO_ENCODING -DMA_NO_GENERATION -DMA_NO_RESOURCE_MANAGER -DMA_NO_NODE_GRAPH -DMA_NO_ENGINE
# Threading jumps takes gcc two thirds of miniaudio's time, and gains nothing there.
export CGO_CFLAGS := -O2 -fno-thread-jumps -ffunction-sections -fdata-sections $(MINIAUDIO)
export CGO_CXXFLAGS := $(CGO_CFLAGS)
# What changes in .ci/pkg-config has to change here too: Go's cache knows these flags, not what that says.
export CGO_LDFLAGS := -Wl,--as-needed -Wl,--gc-sections -Wl,-z,relro,-z,now
LDFLAGS := -X main.version=$(VERSION)
# A release has no symbols, no build ID (it would name the build's own paths), and
# brings the C++ library, libopus and the like with it.
RELEASE_LDFLAGS := -s -w -buildid= $(LDFLAGS)
RELEASE_EXTLDFLAGS := -static-libstdc++ -static-libgcc

# It is `make check` that vets, all at once. What the linker would write for debuggers takes it a fifth of its time.
GO_TEST := go test -vet=off -ldflags=-w $(if $(CI),-count=1)

# Packages are fetched while others are compiled: apt does one thing at a time, and up to four of these wait for it.
ifneq ($(filter check test,$(MAKECMDGOALS)),)
MAKEFLAGS += --jobs=6
endif

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: run
run: build ## try it: build and start with simulated devices on http://localhost:8080
	exec bin/doorbell run --config configs/sim.yaml

.PHONY: build
build: tools ## build bin/doorbell
	$(COMPILE) go build -ldflags '$(LDFLAGS)' -o bin/doorbell ./cmd/doorbell

# What is released, each in bin/TARGET/doorbell.
RELEASES := amd64 arm64 armv7

.PHONY: $(RELEASES)
amd64: ## build the release for PCs
arm64: ## build the release for 64-bit Raspberry Pi OS and its like
armv7: ## build the release for 32-bit ones, Raspberry Pi 2 and newer
$(RELEASES): go-tools
	$(COMPILE) .ci/cross $@ go build -ldflags "$(RELEASE_LDFLAGS) -extldflags '$(RELEASE_EXTLDFLAGS)'" -o bin/$@/doorbell ./cmd/doorbell

NFPM_VERSION := v2.45.1
NFPM := .cache/nfpm-$(NFPM_VERSION)/nfpm

# What compiles the same packages does so one after the other: Go's commands share what is done, not what is being done.
ifneq ($(filter test,$(MAKECMDGOALS)),)
amd64: | $(NFPM)
check: | amd64
endif

.PHONY: deb
deb: $(NFPM) $(RELEASES) ## make the Debian packages in dist/
	@rm -rf dist
	@for target in $(RELEASES); do .ci/deb $$target '$(VERSION)' $(NFPM); done
	@ls -l dist/*.deb

# In Go alone, so that no C compiler has to be there yet.
$(NFPM): | go-tools
	$(COMPILE) CGO_ENABLED=0 GOBIN=$(CURDIR)/$(@D) go install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)

.PHONY: security
security: ## show how far systemd shuts the services in; below 2.0 is the aim
	@.ci/need systemd-analyze=systemd
	@for unit in doorbell doorbell-relay; do systemd-analyze security --offline=true --no-pager --threshold=20 configs/package/$$unit.service | tail -1; done

.PHONY: size
size: arm64 ## show what makes up the arm64 release
	@.ci/size arm64 "$(LDFLAGS)" "$(RELEASE_EXTLDFLAGS)"

.PHONY: reproducible
reproducible: $(if $(BUILT),,arm64) ## build the arm64 release again, elsewhere with nothing cached, and compare
	.ci/reproducible arm64

.PHONY: version
version:
	@echo $(VERSION)

# A virtual machine takes one processor: all else runs beside it, after what both need was built once, at a low
# priority, since the machines' tests measure how soon a device is back and how much time is used up. (Three rows of one priority
# starve, on two processors, tests that count what comes in a second.) Which of the two rows comes to its end first takes the
# next of the rest. They have a jobserver of their own: that of `make check test` may leave them one job, and they would
# run one by one. Where both are asked for, the check comes first: it takes all processors at full priority.
.PHONY: test
test: deb tools test-tools types vm-tools package-tools | $(filter check,$(MAKECMDGOALS)) ## run all tests: Go with the race detector, JavaScript, the page in a browser, virtual machines, packages
	env -u MAKEFLAGS make --no-print-directory --jobs=2 --output-sync=line BUILT=yes $(MAKEOVERRIDES) test-host test-machines guest-test vm-arm-test

.PHONY: test-host
test-host:
	$(MAKE) --no-print-directory security
	@$(COMPILE) nice go list -race -test -export ./... >/dev/null # compiles them
	nice $(GO_TEST) -race ./...
	+nice env -u MAKEFLAGS make --no-print-directory --jobs=2 --output-sync=line BUILT=yes $(MAKEOVERRIDES) test-browser test-idle

.PHONY: test-browser
test-browser:
	$(GO_TEST) -race -tags=$(TAGS),browser -timeout 20m -run Browser ./cmd/doorbell

# What takes the processors while the page waits for this and that.
.PHONY: test-idle
test-idle:
	cd web && nice -n 9 node --test --test-reporter=dot test/
	+nice -n 9 $(MAKE) --no-print-directory arm-test
	$(if $(CI),nice -n 9 .ci/reproducible arm64 c)

.PHONY: test-machines
test-machines:
	$(MAKE) --no-print-directory door-test
	$(MAKE) --no-print-directory package-test

.PHONY: arm-test
arm-test: $(if $(BUILT),,arm64 armv7) ## run the ARM releases, emulated: version, doctor, a call with themselves
	.ci/arm-test arm64
	.ci/arm-test armv7

# One machine at a time: -p 1. With CI set, a machine that can't be had is an error.
VM_TEST := env $(if $(CI),DOORBELL_VM=must,) $(GO_TEST) -p 1 -timeout 20m

.PHONY: vm-test
vm-test: guest-test door-test vm-arm-test ## run the tests in virtual machines with the kernel's own camera, sound card and button

.PHONY: guest-test
guest-test: $(if $(BUILT),,tools vm-tools) # the machines themselves
	nice $(VM_TEST) -tags=$(TAGS),vm ./device/guest/...

.PHONY: door-test
door-test: $(if $(BUILT),,tools test-tools vm-tools) # the doorbell in them
	$(VM_TEST) -tags=$(TAGS),vm -run TestMachine ./device
	$(VM_TEST) -tags=$(TAGS),vm,browser -run 'TestVM|TestPowerCut' ./cmd/doorbell

.PHONY: vm-arm-test
vm-arm-test: $(if $(BUILT),,tools test-tools vm-tools arm64) # and the arm64 release
	nice $(VM_TEST) -tags=$(TAGS),vm,browser -run TestARM ./cmd/doorbell

.PHONY: package-test
package-test: $(if $(BUILT),,tools test-tools vm-tools package-tools deb) ## install, ring, upgrade in a call, hang, remove and purge in a Debian with systemd (a virtual machine)
	$(VM_TEST) -tags=$(TAGS),vm,browser -run TestPackage ./cmd/doorbell

.PHONY: hw-test
hw-test: go-tools ## run the tests of real devices on a Raspberry Pi: make hw-test HOST=doorbell.local
	.ci/hw-test "$(HOST)"

.PHONY: check
check: tools types ## look at format, types, vet, staticcheck, the module, the tree
	@test -z "$$(gofmt -l .)" || { echo "not formatted by gofmt:"; gofmt -l .; exit 1; }
	$(COMPILE) go vet -tags=$(TAGS),browser,vm ./...
	$(COMPILE) go run honnef.co/go/tools/cmd/staticcheck -tags=$(TAGS),browser,vm ./... # go tool would not heed GOFLAGS
	go mod tidy -diff
	.ci/vulns
	@if [ -n "$(CI)" ] && [ -n "$$(git status --porcelain)" ]; then echo "the tree is not clean:"; git status --short; exit 1; fi

.PHONY: types
types: web-tools # check the page's types
	cd web && node_modules/.bin/tsc -p .

.PHONY: bench
bench: tools ## measure the parts, each by itself
	go test -run '^$$' -bench . ./device/... ./rtc ./signaling

.PHONY: bench-media
bench-media: tools test-tools ## measure the whole, with real browsers: the README's figures, in about 20 minutes
	go test -tags=$(TAGS),browser -run '^$$' -bench '^BenchmarkMedia$$' -benchtime 1x -timeout 60m ./cmd/doorbell

.PHONY: soak
soak: tools ## 200 calls in a row with three phones each: is anything left behind?
	go test -count=1 -v -run TestSoak -timeout 60m ./cmd/doorbell -soak 200

.PHONY: power-cut
power-cut: tools vm-tools ## kill a virtual machine 50 times while the doorbell writes its state, in about 15 minutes
	$(VM_TEST) -tags=$(TAGS),vm -v -timeout 60m -run TestPowerCut ./cmd/doorbell -powerkills 50

.PHONY: screenshots
screenshots: tools test-tools ## make the README's pictures from the real page
	go test -tags=$(TAGS),browser -count=1 -run TestScreenshots ./cmd/doorbell -screenshots

.PHONY: fuzz
fuzz: tools ## fuzz each target for a minute
	@grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do \
		for target in $$(grep -oE '^func Fuzz[A-Za-z0-9]+' $$file | cut -c6-); do \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime 60s ./$$(dirname $$file); done; done

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist web/node_modules

# What the targets need, installed where it is missing (as root or through sudo). Go is the first: it has the most to do.
web-tools vm-tools package-tools: | go-tools

.PHONY: tools
tools: go-tools
	@.ci/need git=git gcc=gcc g++=g++ pkg-config=pkg-config /usr/include/opus/opus.h=libopus-dev /usr/include/turbojpeg.h=libturbojpeg0-dev /usr/include/speex/speex_echo.h=libspeexdsp-dev /usr/include/vpx/vp8cx.h=libvpx-dev /usr/include/linux/videodev2.h=linux-libc-dev

.PHONY: go-tools
go-tools:
	@.ci/need git=git
	@.ci/toolchain

.PHONY: web-tools
web-tools:
	@.ci/need node=nodejs
	@cmp -s web/package-lock.json web/node_modules/.lock || { cd web && ../.ci/npm ci --no-audit --no-fund --silent && cp package-lock.json node_modules/.lock; }

.PHONY: vm-tools
vm-tools:
	@.ci/need qemu-system-x86_64=qemu-system-x86 qemu-system-aarch64=qemu-system-arm xz=xz-utils /sbin/mke2fs=e2fsprogs /sbin/debugfs=e2fsprogs || { [ -z "$(CI)" ] && \
		echo "doorbell: no QEMU: the tests in virtual machines are skipped" >&2; }

.PHONY: package-tools
package-tools:
	@.ci/need mmdebstrap=mmdebstrap ssh=openssh-client || [ -z "$(CI)" ]

.PHONY: test-tools
test-tools: web-tools
	@.ci/need /usr/lib/chromium/chromium=chromium firefox-esr=firefox-esr certutil=libnss3-tools openssl=openssl ip=iproute2 avahi-daemon=avahi-daemon avahi-resolve=avahi-utils dbus-daemon=dbus-daemon
