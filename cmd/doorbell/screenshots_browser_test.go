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

// TestScreenshotsOfComingIn makes those of the way in, each step.
func TestScreenshotsOfComingIn(t *testing.T) {
	if !*screenshots {
		t.Skip("only with -screenshots: make screenshots")
	}
	d := startClosed(t, "")
	stranger := d.browse(t, false)
	for system, agent := range map[string]string{
		"iphone":  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
		"android": "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36",
	} {
		p := d.photographed(stranger, "about:blank", system)
		p.agent(agent)
		p.do(chromedp.Navigate(d.at("http", "/")))
		p.until("document.documentElement.dataset.trust === 'no'")
		p.shoot("welcome-" + system)
	}
	browser := d.browse(t, true)
	owner := d.photographed(browser, d.at("https", "/join#"+d.invite()), "Anna")
	owner.until("!document.getElementById('joinForm').hidden")
	owner.fill("nameInput", "Anna")
	owner.shoot("claim")
	owner.tap("joinBtn")
	owner.arrives("document.documentElement.dataset.state === 'home'")
	d.joined("Kitchen")
	words := owner.invitesByPage("member")
	owner.shoot("invitation")
	member := d.photographed(browser, d.at("https", "/join#"+words), "Bert")
	member.until("!document.getElementById('joinForm').hidden")
	member.fill("nameInput", "Bert")
	member.shoot("join")
	member.tap("joinBtn")
	member.arrives("document.documentElement.dataset.state === 'home'")
	owner.until("document.querySelectorAll('#phonesList > *').length === 3")
	owner.shoot("phones")
	owner.do(chromedp.Click(chromedp.CSS("#phonesList [data-name=Kitchen] [data-action=askremove]"), chromedp.NodeVisible))
	owner.until("document.querySelector('#phonesList [data-name=Kitchen] [data-action=remove]') !== null")
	owner.shoot("remove")
}

// photographed opens a page as the README's pictures show it.
func (d *closedDoor) photographed(browser *browserOf, url, name string) *phone {
	d.t.Helper()
	p := openPhone(d.t, browser.ctx, url, name)
	p.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(1.5)))
	return p
}

// agent has the browser name itself otherwise.
func (p *phone) agent(name string) {
	p.t.Helper()
	if _, err := chromedp.Run(p.ctx, func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: name})
		return chromedp.Void{}, err
	}); err != nil {
		p.t.Fatal(err)
	}
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
