// Package export_op_dbus_plugin_state keeps static neighbours: the MAC addresses that belong to IPv4 addresses on a link, which nobody has
// to ask for any more.
//
// A section of a state file names links, addresses and MAC addresses; null takes an entry away:
//
//	{"links": {"eth0": {"192.0.2.7": "02:00:5e:00:53:07", "192.0.2.8": null}}}
//
// The bindings call its functions by the names of wit/state.wit.
package export_op_dbus_plugin_state

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	netlink "{{name}}/bindings/op_dbus_plugin_netlink"
	state "{{name}}/bindings/op_dbus_plugin_state"
	types "{{name}}/bindings/op_dbus_plugin_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

//go:embed schema.json
var schema string

//go:embed asks.json
var asks string

type Failure = types.Failure

// An instance lives for one call, and its memory goes with it: nothing is collected.
func init() {
	debug.SetGCPercent(-1)
}

func Describe() state.Description {
	return state.Description{
		Name:     "{{name}}",
		Version:  "0.1.0",
		Summary:  "Static IPv4 neighbours of network links",
		Schema:   schema,
		Supports: state.Features{Checkpoints: true, Atomic: false, ScopedQuery: true},
		Asks:     asks,
	}
}

func Watches() []state.Watch {
	return []state.Watch{state.MakeWatchNeighbours()}
}

func Validate(desired string) []state.Problem {
	wanted, failed := parsed[section](desired)
	if failed != nil {
		return []state.Problem{{Path: "", Message: failed.Message}}
	}
	problems := []state.Problem{}
	for _, it := range wanted.entries() {
		if message := it.whatIsWrong(); message != "" {
			problems = append(problems, state.Problem{Path: it.place(), Message: message})
		}
	}
	return problems
}

func Query(within wit.Option[string]) wit.Result[string, Failure] {
	asked, failed := parsedOption(within)
	if failed != nil {
		return wit.Err[string](*failed)
	}
	found, failed := read(asked)
	if failed != nil {
		return wit.Err[string](*failed)
	}
	return wit.Ok[string, Failure](text(found))
}

func Diff(current string, desired string) wit.Result[[]state.Action, Failure] {
	have, failed := parsed[section](current)
	if failed != nil {
		return wit.Err[[]state.Action](*failed)
	}
	want, failed := parsed[section](desired)
	if failed != nil {
		return wit.Err[[]state.Action](*failed)
	}
	return wit.Ok[[]state.Action, Failure](plan(have, want))
}

func Apply(actions []state.Action) wit.Result[[]state.Outcome, Failure] {
	requests := make([]netlink.Request, len(actions))
	for i, action := range actions {
		it, failed := parsed[entry](action.After.SomeOr(action.Before.SomeOr("null")))
		if failed == nil && it.Mac == nil {
			failed = invalid("a step without an entry")
		}
		if failed != nil {
			return wit.Err[[]state.Outcome](*failed)
		}
		neighbour := netlink.Neighbour{
			Link:    it.Link,
			Address: it.Address,
			Mac:     wit.Some(*it.Mac),
			State:   netlink.NeighbourStatePermanent,
		}
		if action.After.IsSome() {
			requests[i] = netlink.MakeRequestPutNeighbour(neighbour)
		} else {
			requests[i] = netlink.MakeRequestDeleteNeighbour(neighbour)
		}
	}
	answers := []wit.Result[wit.Unit, Failure]{}
	if len(requests) > 0 {
		answers = netlink.Execute(requests)
	}
	outcomes := make([]state.Outcome, len(actions))
	for i, action := range actions {
		failed := wit.None[Failure]()
		// What is gone already is what was wanted.
		isGone := answers[i].IsErr() && answers[i].Err().Code == types.FailureCodeNotFound
		if answers[i].IsErr() && !(isGone && action.Operation == state.OperationDelete) {
			failed = wit.Some(answers[i].Err())
		}
		outcomes[i] = state.Outcome{Target: action.Target, Summary: action.Summary, Failed: failed}
	}
	return wit.Ok[[]state.Outcome, Failure](outcomes)
}

func Verify(desired string) wit.Result[[]state.Mismatch, Failure] {
	wanted, failed := parsed[section](desired)
	if failed != nil {
		return wit.Err[[]state.Mismatch](*failed)
	}
	current, failed := read(&wanted)
	if failed != nil {
		return wit.Err[[]state.Mismatch](*failed)
	}
	mismatches := []state.Mismatch{}
	for _, want := range wanted.entries() {
		have := current.find(want)
		if same(have, want.Mac) {
			continue
		}
		shown := wit.None[string]()
		if have != nil {
			shown = wit.Some(text(have))
		}
		mismatches = append(mismatches, state.Mismatch{Path: want.place(), Want: text(want.Mac), Have: shown})
	}
	return wit.Ok[[]state.Mismatch, Failure](mismatches)
}

// What a checkpoint keeps: what was asked for, and what was there.
type kept struct {
	Within *section `json:"within"`
	Then   *section `json:"then"`
}

func Checkpoint(within wit.Option[string]) wit.Result[state.CheckpointData, Failure] {
	asked, failed := parsedOption(within)
	if failed != nil {
		return wit.Err[state.CheckpointData](*failed)
	}
	found, failed := read(asked)
	if failed != nil {
		return wit.Err[state.CheckpointData](*failed)
	}
	data := state.CheckpointData{State: text(kept{asked, &found}), Backend: wit.None[string]()}
	return wit.Ok[state.CheckpointData, Failure](data)
}

func Rollback(to state.CheckpointData) wit.Result[[]state.Outcome, Failure] {
	checkpoint, failed := parsed[kept](to.State)
	if failed == nil && checkpoint.Then == nil {
		failed = invalid("no checkpoint")
	}
	if failed != nil {
		return wit.Err[[]state.Outcome](*failed)
	}
	now, failed := read(checkpoint.Within)
	if failed != nil {
		return wit.Err[[]state.Outcome](*failed)
	}
	wanted := *checkpoint.Then
	for _, it := range now.entries() {
		if wanted.find(it) == nil {
			wanted.put(it.Link, it.Address, nil) // What has come since goes.
		}
	}
	return Apply(plan(now, wanted))
}

func Release(checkpoint state.CheckpointData) wit.Result[wit.Unit, Failure] {
	return wit.Ok[wit.Unit, Failure](wit.Unit{})
}

// What is there of a section, or of everything where there is none.
func read(within *section) (section, *Failure) {
	found := section{Links: map[string]map[string]*string{}}
	names := []string{}
	if within != nil {
		for link := range within.Links {
			names = append(names, link)
		}
		if len(names) == 0 {
			return found, nil // No name would mean every link.
		}
	}
	answer := netlink.Neighbours(names)
	if answer.IsErr() {
		failed := answer.Err()
		return found, &failed
	}
	for _, it := range answer.Ok() {
		isStatic := it.State == netlink.NeighbourStatePermanent && !it.Proxy
		isIpv4 := !strings.Contains(it.Address, ":")
		if isStatic && isIpv4 && within.concerns(it.Link, it.Address) && it.Mac.IsSome() {
			mac := it.Mac.Some()
			found.put(it.Link, it.Address, &mac)
		}
	}
	return found, nil
}

// The steps from one section to another.
func plan(current section, desired section) []state.Action {
	actions := []state.Action{}
	for _, want := range desired.entries() {
		have := entry{want.Link, want.Address, current.find(want)}
		if same(have.Mac, want.Mac) {
			continue
		}
		action := state.Action{
			Operation: state.OperationModify,
			Target:    fmt.Sprintf("neighbour %s on %s", want.Address, want.Link),
			Before:    have.step(),
			After:     want.step(),
		}
		switch {
		case have.Mac == nil:
			action.Operation = state.OperationCreate
			action.Summary = "add " + *want.Mac
		case want.Mac == nil:
			action.Operation = state.OperationDelete
			action.Summary = "remove " + *have.Mac
		default:
			action.Summary = fmt.Sprintf("%s becomes %s", *have.Mac, *want.Mac)
		}
		actions = append(actions, action)
	}
	return actions
}

func parsed[T any](document string) (T, *Failure) {
	var value *T
	err := json.Unmarshal([]byte(document), &value)
	if err == nil && value == nil {
		err = errors.New("null") // Which Go would take for an empty one.
	}
	if err != nil {
		var none T
		return none, invalid("no section, step or checkpoint: " + err.Error())
	}
	return *value, nil
}

func invalid(message string) *Failure {
	return &Failure{Code: types.FailureCodeInvalid, Message: message, Backend: wit.None[types.BackendError]()}
}

func parsedOption(document wit.Option[string]) (*section, *Failure) {
	if document.IsNone() {
		return nil, nil
	}
	value, failed := parsed[section](document.Some())
	return &value, failed
}
