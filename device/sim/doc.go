// Package sim has devices that need no hardware: a camera that draws a test
// card with a machine-readable time code, and the sound and button devices to
// go with it. They behave as the real ones do and are chosen by name in the
// configuration (`camera: sim`).
package sim
