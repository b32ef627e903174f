// Package device is the porch: the camera, microphone, loudspeaker, button and
// output line of the doorbell, and the encoders that belong to them.
//
// Each device is a value with one to three methods in standard types, so that
// whoever uses it can name just the methods it needs. Nothing is opened by a
// constructor that only configures (NewVideo); what is opened is closed with
// Close or by the end of the context given.
package device
