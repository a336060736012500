package main

import (
	"encoding/json"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// checkReleased refuses a missing bundle that no entry let go.
func checkReleased(missing []int64, released map[int64]bool) error {
	for _, number := range missing {
		if !released[number] {
			tile := tlog.Tile{H: height, L: -1, N: number, W: width}
			return fmt.Errorf("%s: missing, and no entry says that it was pruned", path(tile))
		}
	}
	return nil
}

// release notes the bundles that an entry lets go: full ones before the entry itself.
func release(released map[int64]bool, index int64, entry []byte) {
	var record struct {
		Kind   string `json:"kind"`
		Detail struct {
			Pruned struct {
				First  *int64   `json:"first_bundle"`
				Sha256 []string `json:"sha256"`
			} `json:"pruned"`
		} `json:"detail"`
	}
	if json.Unmarshal(entry, &record) != nil || record.Kind != "fact" || record.Detail.Pruned.First == nil {
		return
	}
	first, count := *record.Detail.Pruned.First, int64(len(record.Detail.Pruned.Sha256))
	for number := first; number >= 0 && number < first+count && (first+count)*width <= index; number++ {
		released[number] = true
	}
}
