package certs

import (
	"fmt"

	"github.com/google/uuid"
	"howett.net/plist"
)

// A configuration profile with one root certificate, as Apple's "Configuration
// Profile Reference" (developer.apple.com/documentation/devicemanagement) has it:
// TopLevel and CertificateRoot.
type (
	profile struct {
		PayloadContent           []rootPayload
		PayloadDescription       string
		PayloadDisplayName       string
		PayloadIdentifier        string
		PayloadOrganization      string
		PayloadRemovalDisallowed bool
		PayloadType              string
		PayloadUUID              string
		PayloadVersion           int
	}
	rootPayload struct {
		PayloadCertificateFileName string
		PayloadContent             []byte
		PayloadDescription         string
		PayloadDisplayName         string
		PayloadIdentifier          string
		PayloadType                string
		PayloadUUID                string
		PayloadVersion             int
	}
)

// Profile returns a .mobileconfig with the authority's certificate, which iPhones,
// iPads and Macs install. It is the same for as long as the authority is, so that
// installing it twice replaces it.
func (a *Authority) Profile() ([]byte, error) {
	root := a.root.cert
	name := root.Subject.CommonName
	inner := uuid.NewSHA1(uuid.NameSpaceOID, append([]byte("certificate "), root.Raw...)).String()
	outer := uuid.NewSHA1(uuid.NameSpaceOID, append([]byte("profile "), root.Raw...)).String()
	data, err := plist.MarshalIndent(profile{
		PayloadContent: []rootPayload{{
			PayloadCertificateFileName: "doorbell.crt",
			PayloadContent:             root.Raw,
			PayloadDescription:         "The certificate authority of your doorbell. It can vouch for devices in your house only.",
			PayloadDisplayName:         name,
			PayloadIdentifier:          "doorbell.authority." + inner,
			PayloadType:                "com.apple.security.root",
			PayloadUUID:                inner,
			PayloadVersion:             1,
		}},
		PayloadDescription:  "Lets this device open your doorbell's page safely.",
		PayloadDisplayName:  name,
		PayloadIdentifier:   "doorbell.profile." + outer,
		PayloadOrganization: name,
		PayloadType:         "Configuration",
		PayloadUUID:         outer,
		PayloadVersion:      1,
	}, plist.XMLFormat, "\t")
	if err != nil {
		return nil, fmt.Errorf("certificates: making the profile: %w", err)
	}
	return data, nil
}
