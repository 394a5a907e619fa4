package export_op_dbus_plugin_state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// What a state file says, and what a query shows: by link, by IPv4 address the MAC address; nil where there is to be no entry.
type section struct {
	Links map[string]map[string]*string `json:"links"`
}

// One place of a section. As JSON it is what the steps of a plan carry.
type entry struct {
	Link    string  `json:"link"`
	Address string  `json:"address"`
	Mac     *string `json:"mac"`
}

func (s *section) put(link string, address string, mac *string) {
	if s.Links == nil {
		s.Links = map[string]map[string]*string{}
	}
	if s.Links[link] == nil {
		s.Links[link] = map[string]*string{}
	}
	s.Links[link][address] = mac
}

func (s *section) find(place entry) *string {
	return s.Links[place.Link][place.Address]
}

// Every place, in order, with what is to be there.
func (s *section) entries() []entry {
	all := []entry{}
	for link, addresses := range s.Links {
		for address, mac := range addresses {
			all = append(all, entry{link, address, mac})
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].Link != all[j].Link {
			return all[i].Link < all[j].Link
		}
		return all[i].Address < all[j].Address
	})
	return all
}

// Whether an entry is asked for. A link that is named without addresses is shown whole.
func (s *section) concerns(link string, address string) bool {
	if s == nil {
		return true
	}
	addresses, isNamed := s.Links[link]
	_, isMeant := addresses[address]
	return isNamed && (isMeant || len(addresses) == 0)
}

// What the schema cannot say: an entry is for one neighbour, not for a group of them. Empty where nothing is wrong.
func (e entry) whatIsWrong() string {
	octet, _, _ := strings.Cut(e.Address, ".")
	if first, err := strconv.Atoi(octet); err != nil || first == 0 || first == 127 || first >= 224 {
		return fmt.Sprintf("%s is no address of a neighbour; write one below 224.0.0.0", e.Address)
	}
	if e.Mac != nil {
		octet, _, _ := strings.Cut(*e.Mac, ":")
		if first, err := strconv.ParseUint(octet, 16, 8); err != nil || first&1 == 1 {
			return fmt.Sprintf("%s is the address of a group; the first octet of a neighbour's is even", *e.Mac)
		}
	}
	return ""
}

// The place in the section, a JSON Pointer (RFC 6901).
func (e entry) place() string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	return "/links/" + escape.Replace(e.Link) + "/" + escape.Replace(e.Address)
}

// The entry as a step carries it; none where there is no entry.
func (e entry) step() wit.Option[string] {
	if e.Mac == nil {
		return wit.None[string]()
	}
	return wit.Some(text(e))
}

func same(one *string, other *string) bool {
	if one == nil || other == nil {
		return one == other
	}
	return *one == *other
}

// A value as JSON. What the plugin writes can always be written.
func text(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(out.String(), "\n")
}
