package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// A cosigner verifies c2sp.org/tlog-cosignature version 1, Ed25519, as a note.Verifier.
type cosigner struct {
	name   string
	hash   uint32
	public ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }

func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, text)
	return time <= math.MaxInt64 && ed25519.Verify(c.public, []byte(message), signature[8:])
}

// witnesses parses verifier keys of signature type 4, separated by commas.
func witnesses(keys string) ([]note.Verifier, error) {
	var found []note.Verifier
	for _, key := range strings.FieldsFunc(keys, func(r rune) bool { return r == ',' }) {
		parts := strings.SplitN(key, "+", 3)
		if len(parts) != 3 {
			return nil, fmt.Errorf("-witness: %q is no verifier key", key)
		}
		data, err := base64.StdEncoding.Strict().DecodeString(parts[2])
		if err != nil || len(data) != 1+ed25519.PublicKeySize || data[0] != 4 {
			return nil, fmt.Errorf("-witness: %q is no Ed25519 cosignature key", key)
		}
		sum := sha256.Sum256(append([]byte(parts[0]+"\n"), data...))
		if fmt.Sprintf("%x", sum[:4]) != parts[1] {
			return nil, fmt.Errorf("-witness: the id of %q does not fit", key)
		}
		found = append(found, cosigner{parts[0], binary.BigEndian.Uint32(sum[:]), data[1:]})
	}
	return found, nil
}

// checkWitnesses demands the cosignature of every witness given.
func checkWitnesses(checkpoint []byte, keys string) (int, error) {
	wanted, err := witnesses(keys)
	if err != nil || len(wanted) == 0 {
		return 0, err
	}
	opened, err := note.Open(checkpoint, note.VerifierList(wanted...))
	if err != nil {
		return 0, err
	}
	if len(opened.Sigs) != len(wanted) {
		return 0, fmt.Errorf("cosigned by %d of %d witnesses", len(opened.Sigs), len(wanted))
	}
	return len(wanted), checkSpelling(opened)
}
