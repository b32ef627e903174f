//go:build browser

package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

var screenshots = flag.Bool("screenshots", false, "make the README's pictures from the real page")

// TestScreenshots makes the README's pictures (make screenshots).
func TestScreenshots(t *testing.T) {
	if !*screenshots {
		t.Skip("only with -screenshots: make screenshots")
	}
	door := start(t, simulated+"ring: {timeout: 2m}\n")
	browser := startBrowser(t)
	page := door.status().Page
	anna, bert := openPhone(t, browser, page, "Anna"), openPhone(t, browser, page, "Bert")
	for _, p := range []*phone{anna, bert} {
		p.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(1.5)))
	}
	anna.shoot("login")
	anna.login()
	bert.login()
	anna.until("document.querySelectorAll('#peopleList li').length > 0")
	anna.shoot("home")
	door.do("press")
	anna.state("ringing")
	anna.seesMotion()
	anna.shoot("ring")
	anna.tap("acceptBtn")
	anna.state("incall")
	anna.until("document.getElementById('stage').dataset.mic === 'on'")
	anna.seesMotion()
	anna.shoot("call")
	bert.state("home")
	bert.shoot("answered")
	bert.scheme("dark")
	bert.shoot("answered-dark")
	anna.do(chromedp.EmulateViewport(844, 390, chromedp.EmulateScale(1.5)))
	anna.seesMotion()
	anna.shoot("call-landscape")
}

// scheme switches between light and dark.
func (p *phone) scheme(name string) {
	p.t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}
	if _, err := chromedp.Run(p.ctx, func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return chromedp.Void{}, err
	}); err != nil {
		p.t.Fatal(err)
	}
}

// shoot writes what the phone shows.
func (p *phone) shoot(name string) {
	p.t.Helper()
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	dir := filepath.Join("..", "..", "web", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
