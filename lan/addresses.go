// Package lan knows the machine's own addresses in the local network, and gives it a
// name there.
package lan
