// Verify_log verifies a decision log with Go's own transparency log packages.
//
//	verify_log -key VKEY [-kept FOLDER] [-earlier VKEY,VKEY] [-witness VKEY,VKEY] [-pruned] FOLDER|URL
//
// It shares no line with the program that wrote the log: hashing, proofs and
// signatures are those of golang.org/x/mod/sumdb/tlog and sumdb/note. The log
// is read as c2sp.org/tlog-tiles lays it out, from a folder or over HTTP.
// Checked are: the checkpoint's signature, every tile up to the signed root,
// the inclusion of every entry, and that every kept checkpoint is a prefix of
// the next larger one and of the log, and the cosignature of every witness given
// (the one format here that package note lacks). A bundle of entries that is missing is an
// error, with -pruned only if no entry says that it was pruned. It prints one line, or names the first
// bad place and exits with 1.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height   = 8
	width    = 1 << height
	maxBytes = 32 << 20
)

func main() {
	key := flag.String("key", "", "verifier key of the log, name+id+base64")
	kept := flag.String("kept", "", "folder of checkpoints kept earlier")
	witness := flag.String("witness", "", "keys of witnesses that must have cosigned, separated by commas")
	earlier := flag.String("earlier", "", "keys that the log had before, which may have signed kept checkpoints, separated by commas")
	pruned := flag.Bool("pruned", false, "accept bundles that an entry of the log says were pruned")
	flag.Parse()
	if *key == "" || flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: verify_log -key VKEY [-kept FOLDER] [-earlier VKEY,VKEY] [-witness VKEY,VKEY] [-pruned] FOLDER|URL")
		os.Exit(2)
	}
	line, err := verify(source(flag.Arg(0)), *key, *kept, *earlier, *witness, *pruned)
	if err != nil {
		fmt.Fprintln(os.Stderr, "verify_log:", err)
		os.Exit(1)
	}
	fmt.Println(line)
}

// A reader fetches what lies at a path of the log.
type reader func(path string) ([]byte, error)

var errMissing = errors.New("missing")

func source(where string) reader {
	if strings.HasPrefix(where, "http://") || strings.HasPrefix(where, "https://") {
		client := &http.Client{Timeout: 30 * time.Second}
		return func(path string) ([]byte, error) { return fetch(client, strings.TrimRight(where, "/")+"/"+path) }
	}
	return func(path string) ([]byte, error) {
		data, err := os.ReadFile(filepath.Join(where, filepath.FromSlash(path)))
		if errors.Is(err, os.ErrNotExist) {
			return nil, errMissing
		}
		return data, err
	}
}

func fetch(client *http.Client, url string) ([]byte, error) {
	answer, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return nil, errMissing
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxBytes))
}

func verify(read reader, key, kept, before, witness string, pruned bool) (string, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return "", fmt.Errorf("-key: %w", err)
	}
	data, err := read("checkpoint")
	if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	tree, err := openCheckpoint(data, verifier)
	if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	cosigned, err := checkWitnesses(data, witness)
	if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	signers, err := withEarlier(verifier, before)
	if err != nil {
		return "", fmt.Errorf("-earlier: %w", err)
	}
	earlier, err := keptCheckpoints(kept, signers)
	if err != nil {
		return "", err
	}
	hashes, err := readTiles(read, tree)
	if err != nil {
		return "", err
	}
	missing, err := checkEntries(read, tree, hashes, pruned)
	if err != nil {
		return "", err
	}
	if err := checkConsistency(append(earlier, keptTree{"checkpoint", tree}), hashes); err != nil {
		return "", err
	}
	hashesOnly := ""
	if missing > 0 {
		hashesOnly = fmt.Sprintf(", %d pruned: hashes only", missing)
	}
	return fmt.Sprintf("verified: %s, %d entries included%s, %d kept checkpoints consistent, %d witnesses, root %x",
		verifier.Name(), tree.N-missing, hashesOnly, len(earlier), cosigned, tree.Hash[:]), nil
}

// withEarlier adds the keys that the log had before its present one.
func withEarlier(verifier note.Verifier, keys string) ([]note.Verifier, error) {
	verifiers := []note.Verifier{verifier}
	for _, key := range strings.Split(keys, ",") {
		if key == "" {
			continue
		}
		earlier, err := note.NewVerifier(key)
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, earlier)
	}
	return verifiers, nil
}

// openCheckpoint verifies a signed note and parses c2sp.org/tlog-checkpoint.
func openCheckpoint(data []byte, verifiers ...note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(data, note.VerifierList(verifiers...))
	if err != nil {
		return tlog.Tree{}, err
	}
	if err := checkSpelling(opened); err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifiers[0].Name() {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s", verifiers[0].Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("size %q is not a number", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, errors.New("root is not a hash")
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

// checkSpelling refuses what note.Open takes: other base64 of the same bytes.
func checkSpelling(opened *note.Note) error {
	for _, signature := range opened.Sigs {
		if _, err := base64.StdEncoding.Strict().DecodeString(signature.Base64); err != nil {
			return fmt.Errorf("signature of %s is not in canonical base64", signature.Name)
		}
	}
	return nil
}

// A keptTree is a checkpoint with the name of its file.
type keptTree struct {
	name string
	tree tlog.Tree
}

func keptCheckpoints(folder string, signers []note.Verifier) ([]keptTree, error) {
	if folder == "" {
		return nil, nil
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var trees []keptTree
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return nil, err
		}
		tree, err := openCheckpoint(data, signers...)
		if err != nil {
			return nil, fmt.Errorf("kept checkpoint %s: %w", file.Name(), err)
		}
		trees = append(trees, keptTree{file.Name(), tree})
	}
	sort.Slice(trees, func(i, j int) bool { return trees[i].tree.N < trees[j].tree.N })
	return trees, nil
}

// path is where c2sp.org/tlog-tiles keeps a tile; package tlog names the
// height in the path and calls entries "data".
func path(tile tlog.Tile) string {
	rest := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tile.H))
	return "tile/" + strings.Replace(rest, "data/", "entries/", 1)
}

// readPrefix reads a tile, or the full one where the partial one was dropped.
func readPrefix(read reader, tile tlog.Tile) (data []byte, whole bool, err error) {
	data, err = read(path(tile))
	if !errors.Is(err, errMissing) || tile.W == width {
		return data, false, err
	}
	full := tile
	full.W = width
	data, err = read(path(full))
	return data, true, err
}

// tiles is the tlog.TileReader of a log; upper levels are read once.
type tiles struct {
	read reader
	kept map[tlog.Tile][]byte
}

func (t *tiles) Height() int                     { return height }
func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		data, err := t.one(tile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path(tile), err)
		}
		found = append(found, data)
	}
	return found, nil
}

func (t *tiles) one(tile tlog.Tile) ([]byte, error) {
	if data, ok := t.kept[tile]; ok {
		return data, nil
	}
	data, whole, err := readPrefix(t.read, tile)
	if err != nil {
		return nil, err
	}
	length := tile.W * tlog.HashSize
	if whole && len(data) == width*tlog.HashSize {
		data = data[:length]
	}
	if len(data) != length {
		return nil, fmt.Errorf("%d bytes, want %d", len(data), length)
	}
	if tile.L > 0 {
		t.kept[tile] = data
	}
	return data, nil
}

// stored holds the hashes of a tree in the order of tlog.StoredHashIndex.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index < 0 || index >= int64(len(s)) {
			return nil, fmt.Errorf("no hash %d", index)
		}
		found[i] = s[index]
	}
	return found, nil
}

// readTiles authenticates every tile against the root with tlog.TileHashReader
// and returns the hashes of the tree.
func readTiles(read reader, tree tlog.Tree) (stored, error) {
	if tree.N == 0 {
		if tree.Hash != sha256.Sum256(nil) {
			return nil, errors.New("checkpoint: root of an empty log is wrong")
		}
		return nil, nil
	}
	authentic := tlog.TileHashReader(tree, &tiles{read, map[tlog.Tile][]byte{}})
	hashes := make(stored, 0, tlog.StoredHashCount(tree.N))
	for start := int64(0); start < tree.N; start += width {
		var indexes []int64
		for n := start; n < start+width && n < tree.N; n++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, n))
		}
		leaves, err := authentic.ReadHashes(indexes)
		if err != nil {
			return nil, fmt.Errorf("tile of entries %d to %d: %w", start, start+int64(len(indexes))-1, err)
		}
		for i, leaf := range leaves {
			more, err := tlog.StoredHashesForRecordHash(start+int64(i), leaf, hashes)
			if err != nil {
				return nil, err
			}
			hashes = append(hashes, more...)
		}
	}
	root, err := tlog.TreeHash(tree.N, hashes)
	if err != nil || root != tree.Hash {
		return nil, errors.New("checkpoint: root is not that of the tiles")
	}
	return hashes, nil
}

// checkEntries proves the inclusion of every entry under the signed root.
// It returns how many entries are missing by leave of an entry of the log.
func checkEntries(read reader, tree tlog.Tree, hashes stored, pruned bool) (int64, error) {
	var missing []int64
	released := map[int64]bool{}
	for start := int64(0); start < tree.N; start += width {
		tile := tlog.Tile{H: height, L: -1, N: start / width, W: width}
		if tree.N-start < width {
			tile.W = int(tree.N - start)
		}
		data, whole, err := readPrefix(read, tile)
		if pruned && tile.W == width && errors.Is(err, errMissing) {
			missing = append(missing, tile.N)
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path(tile), err)
		}
		entries, err := split(data)
		if err != nil || len(entries) != tile.W && !(whole && len(entries) == width) {
			return 0, fmt.Errorf("%s: not a bundle of %d entries", path(tile), tile.W)
		}
		for i, entry := range entries[:tile.W] {
			if err := checkEntry(tree, hashes, start+int64(i), entry); err != nil {
				return 0, fmt.Errorf("%s: entry %d: %w", path(tile), start+int64(i), err)
			}
			if pruned {
				release(released, start+int64(i), entry)
			}
		}
	}
	return int64(len(missing)) * width, checkReleased(missing, released)
}

func checkEntry(tree tlog.Tree, hashes stored, index int64, entry []byte) error {
	proof, err := tlog.ProveRecord(tree.N, index, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

// split cuts a bundle into entries, each after its length as 16 bits.
func split(data []byte) ([][]byte, error) {
	var entries [][]byte
	for rest := bytes.NewBuffer(data); rest.Len() > 0; {
		head := rest.Next(2)
		if len(head) < 2 {
			return nil, io.ErrUnexpectedEOF
		}
		length := int(binary.BigEndian.Uint16(head))
		if rest.Len() < length {
			return nil, io.ErrUnexpectedEOF
		}
		entries = append(entries, rest.Next(length))
	}
	return entries, nil
}

// checkConsistency proves each tree to be a prefix of the next one; the last is the log's.
func checkConsistency(trees []keptTree, hashes stored) error {
	size := trees[len(trees)-1].tree.N
	for i, old := range trees[:len(trees)-1] {
		if old.tree.N > size {
			return fmt.Errorf("kept checkpoint %s: %d entries, the log has only %d", old.name, old.tree.N, size)
		}
		next := trees[i+1]
		if next.tree.N > size {
			next = trees[len(trees)-1]
		}
		if err := checkPrefix(old.tree, next.tree, hashes); err != nil {
			return fmt.Errorf("kept checkpoint %s: not a prefix of %s: %w", old.name, next.name, err)
		}
	}
	return nil
}

func checkPrefix(old, next tlog.Tree, hashes stored) error {
	if old.N == 0 {
		if old.Hash != sha256.Sum256(nil) {
			return errors.New("root of an empty log is wrong")
		}
		return nil
	}
	proof, err := tlog.ProveTree(next.N, old.N, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, next.N, next.Hash, old.N, old.Hash)
}
