// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package permit

import (
	"fmt"
	"strings"
	"time"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

const (
	// maxProblems is how many denials a message tells one by one, and maxNames how many policies it names.
	maxProblems, maxNames = 8, 4
	// maxMessage is the most bytes of a message, which stands in every status, and maxProblem of one denial in it, so that at least one
	// has room beside the policies' names.
	maxMessage, maxProblem = 2048, 768
)

// deny notes something that no policy allows.
func (a *assessment) deny(format string, args ...any) {
	problem := fmt.Sprintf(format, args...)
	if len(problem) > maxProblem {
		problem = strings.ToValidUTF8(problem[:maxProblem-len("...")], "") + "..."
	}
	a.problems = append(a.problems, problem)
}

// verdict returns the reason and the message of the condition Permitted. Where all is allowed the message does not depend on the policies:
// a further one is no reason to write every status.
func (a *assessment) verdict(policies []*v1alpha1.IntegrationPolicy) (reason, message string) {
	switch {
	case len(policies) == 0:
		return v1alpha1.ReasonNoPolicy, fmt.Sprintf(
			"no IntegrationPolicy is for namespace %s, so that it may have nothing: ask whoever runs the platform for one", a.intg.Namespace)
	case len(a.problems) == 0:
		return v1alpha1.ReasonPermitted, "the policies allow all that spec asks for"
	}
	const mend = ": take it out of spec, or ask whoever writes the policies"
	text := &strings.Builder{}
	text.WriteString(naming(policies))
	told := 0
	for _, problem := range a.problems {
		const room = len("; and 100000 more") + len(mend)
		if told == maxProblems || text.Len()+len("; ")+len(problem)+room > maxMessage {
			break
		}
		if told > 0 {
			text.WriteString("; ")
		}
		text.WriteString(problem)
		told++
	}
	if rest := len(a.problems) - told; rest > 0 {
		fmt.Fprintf(text, "; and %d more", rest)
	}
	return v1alpha1.ReasonNotPermitted, text.String() + mend
}

// naming begins the sentence with the policies that are for the namespace, or the first of many.
func naming(policies []*v1alpha1.IntegrationPolicy) string {
	names := make([]string, 0, maxNames)
	for _, policy := range policies[:min(len(policies), maxNames)] {
		names = append(names, policy.Name)
	}
	last := len(names) - 1
	switch rest := len(policies) - maxNames; {
	case len(policies) == 1:
		return fmt.Sprintf("policy %s, the only one for this namespace, does not allow ", names[0])
	case rest > 0:
		return fmt.Sprintf("policies %s and %d more, the ones for this namespace, do not allow ", strings.Join(names, ", "), rest)
	default:
		return fmt.Sprintf("policies %s and %s, the ones for this namespace, do not allow ", strings.Join(names[:last], ", "), names[last])
	}
}

// short writes a duration as spec would have it: 2h, not 2h0m0s.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if cut, found := strings.CutSuffix(text, zero); found {
			text = cut + zero[:1]
		}
	}
	return text
}
