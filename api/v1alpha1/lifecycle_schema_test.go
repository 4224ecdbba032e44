// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// rotation returns a spec that says nothing else.
func rotation(r object) object { return credentials(object{"rotation": r}) }

// window returns a spec of rotations in a window, with other fields in place of those that it needs; nil takes one away.
func window(fields object) object {
	w := object{"schedule": "0 2 * * *", "duration": "2h"}
	for name, value := range fields {
		if value == nil {
			delete(w, name)
		} else {
			w[name] = value
		}
	}
	return rotation(object{"interval": "720h", "window": w})
}

// template returns a spec with templates.
func template(data object) object { return secret(object{"template": object{"data": data}}) }

// accessToken returns a spec with one access token in the Secret, and other fields beside that.
func accessToken(fields, spec object) object {
	wanted := object{"key": "token"}
	maps.Copy(wanted, fields)
	all := object{"scopes": list("a", "b"), "audiences": list("urn:a", "urn:b"), "secret": object{"accessTokens": list(wanted)}}
	maps.Copy(all, spec)
	return all
}

// restart returns a spec that restarts workloads.
func restart(r object) object { return object{"restart": r} }

const (
	wantInterval    = "an interval is a duration of hours, minutes and seconds from 1h to 17520h, such as 720h"
	wantOverlap     = "an overlap is a duration of hours, minutes and seconds, 0s or from 1m to 8760h, such as 24h"
	wantMaxOverlap  = "a maxOverlap is a duration of hours, minutes and seconds up to 8760h, such as 168h"
	wantShorter     = "spec.credentials.rotation.overlap must be shorter than interval, as no more than two client secrets are valid at a time: lower one or raise the other"
	wantMostLonger  = "spec.credentials.rotation.maxOverlap must not be shorter than overlap: raise one or lower the other"
	wantMostShorter = "spec.credentials.rotation.maxOverlap must not be longer than interval, or the next rotation would be late: lower one or raise the other"
	wantWindowFor   = "spec.credentials.rotation.window says when the rotations by interval may happen: add interval, or take window out"
	wantMostFor     = "spec.credentials.rotation.maxOverlap is the limit of retirement WhenUnused: take it out, or choose that"
	wantSchedule    = "a schedule has the five fields of cron: minute, hour, day of month, month, day of week, such as 0 2 * * 1-5"
	wantZone        = "a time zone is a name of the IANA database, such as Europe/Berlin or UTC"
	wantOpen        = "a window's duration is one of hours, minutes and seconds from 5m to 168h, such as 2h"
	wantMayUse      = "spec.credentials.clientSecretRef brings a client secret, which the client may not use: add ClientSecret to spec.credentials.methods, or take clientSecretRef out"
	wantByEditing   = "a client secret that you bring by spec.credentials.clientSecretRef is rotated by editing that Secret: take interval, window and requestedAt out of spec.credentials.rotation, or clientSecretRef"
	wantOtherName   = "spec.credentials.clientSecretRef names the Secret that spec.secret.name is for: the operator writes that one, so give it another name"
	wantOwnGrant    = "spec.secret.accessTokens are tokens by the grant client_credentials: add it to spec.grantTypes"
	wantOwnScopes   = "the scopes of an access token must be among spec.scopes: add the missing one to spec.scopes, or take it out of the token's"
	wantOwnAudience = "the audience of an access token must be among spec.audiences: add it there, or leave it out for all of them"
	wantLongEnough  = "access tokens in the Secret need a spec.token.lifetime of at least 5m, as it takes a kubelet up to two minutes to show a new one to a Pod: raise it"
	wantLabels      = "an empty selector would choose every workload of the namespace: name labels, or leave selector out for the workloads that use the Secret"
)

func TestTheSchemaRefusesLifecyclesThatCannotWork(t *testing.T) {
	bring := func(fields object) object {
		c := object{"clientSecretRef": object{"name": "mine"}}
		maps.Copy(c, fields)
		return credentials(c)
	}
	for _, test := range []struct {
		name string
		spec object
		want string
	}{
		{"an interval under an hour", rotation(object{"interval": "59m59s"}), wantInterval},
		{"an interval over two years", rotation(object{"interval": "17520h1s"}), wantInterval},
		{"an interval in days", rotation(object{"interval": "30d"}), wantInterval},
		{"an empty interval", rotation(object{"interval": ""}), wantInterval},
		{"a negative interval", rotation(object{"interval": "-720h"}), wantInterval},
		{"an interval of 33 characters", rotation(object{"interval": strings.Repeat("1", 33)}), "spec.credentials.rotation.interval: Too long: may not be more than 32"},
		{"a negative overlap", rotation(object{"overlap": "-1h"}), wantOverlap},
		{"an overlap that ends before a use of it is known", rotation(object{"overlap": "59s"}), wantOverlap},
		{"an overlap over a year", rotation(object{"overlap": "8760h1s"}), wantOverlap},
		{"an empty overlap", rotation(object{"overlap": ""}), wantOverlap},
		{"an overlap of 33 characters", rotation(object{"overlap": strings.Repeat("1", 33)}), "spec.credentials.rotation.overlap: Too long: may not be more than 32"},
		{"a most over a year", rotation(object{"maxOverlap": "8760h1s"}), wantMaxOverlap},
		{"a most that is none", rotation(object{"maxOverlap": "long"}), wantMaxOverlap},
		{"a most of 33 characters", rotation(object{"maxOverlap": strings.Repeat("1", 33)}), "spec.credentials.rotation.maxOverlap: Too long: may not be more than 32"},
		{"an overlap as long as the interval", rotation(object{"interval": "24h", "overlap": "24h"}), wantShorter},
		{"a most below the overlap", rotation(object{"overlap": "25h", "maxOverlap": "24h"}), wantMostLonger},
		{"a most beyond the interval", rotation(object{"interval": "24h", "overlap": "1h", "maxOverlap": "25h"}), wantMostShorter},
		{"a most for retirement by the clock", rotation(object{"maxOverlap": "48h", "retirement": "AfterOverlap"}), wantMostFor},
		{"an unknown retirement", rotation(object{"retirement": "Never"}), `spec.credentials.rotation.retirement: Unsupported value: "Never": supported values: "WhenUnused", "AfterOverlap"`},
		{"a request that is no time", rotation(object{"requestedAt": "now"}), "spec.credentials.rotation.requestedAt"},

		{"a window without interval", rotation(object{"window": object{"schedule": "0 2 * * *", "duration": "2h"}}), wantWindowFor},
		{"a window without schedule", window(object{"schedule": nil}), "spec.credentials.rotation.window.schedule: Required value"},
		{"a window without duration", window(object{"duration": nil}), "spec.credentials.rotation.window.duration: Required value"},
		{"a schedule of four fields", window(object{"schedule": "00 02 * *"}), wantSchedule},
		{"a schedule with seconds", window(object{"schedule": "0 0 2 * * *"}), wantSchedule},
		{"a schedule by a word", window(object{"schedule": "@midnight"}), wantSchedule},
		{"a schedule with a time zone of its own", window(object{"schedule": "TZ=UTC 2 * * *"}), wantSchedule},
		{"a schedule of 129 characters", window(object{"schedule": "0 2 * * " + strings.Repeat("1", 121)}), "spec.credentials.rotation.window.schedule: Too long: may not be more than 128"},
		{"the time zone of the operator's machine", window(object{"timeZone": "Local"}), wantZone},
		{"a path for a time zone", window(object{"timeZone": "../etc/passwd"}), wantZone},
		{"an empty time zone", window(object{"timeZone": ""}), "spec.credentials.rotation.window.timeZone"},
		{"a time zone of 65 characters", window(object{"timeZone": strings.Repeat("A", 65)}), "spec.credentials.rotation.window.timeZone: Too long: may not be more than 64"},
		{"a window under five minutes", window(object{"duration": "4m59s"}), wantOpen},
		{"a window over a week", window(object{"duration": "168h1s"}), wantOpen},

		{"a client secret that no method uses", credentials(object{"methods": list("PrivateKeyJWT"), "jwksURI": wantOneURI, "clientSecretRef": object{"name": "mine"}}), wantMayUse},
		{"a client secret of one's own by interval", bring(object{"rotation": object{"interval": "720h"}}), wantByEditing},
		{"a client secret of one's own on request", bring(object{"rotation": object{"requestedAt": "2026-11-22T10:00:00Z"}}), wantByEditing},
		{"a client secret of one's own without name", credentials(object{"clientSecretRef": object{}}), "spec.credentials.clientSecretRef.name: Required value"},
		{"a client secret of one's own in another namespace", credentials(object{"clientSecretRef": object{"name": "other/mine"}}), wantName},
		{
			"a client secret of one's own where the operator writes",
			object{"credentials": object{"clientSecretRef": object{"name": "mine"}}, "secret": object{"name": "mine"}},
			wantOtherName,
		},

		{
			"a client secret of one's own under the Integration's name",
			credentials(object{"clientSecretRef": object{"name": "refused"}}),
			"spec.credentials.clientSecretRef names the Secret that the operator writes",
		},

		{"a template without data", secret(object{"template": object{}}), "spec.secret.template.data: Required value"},
		{"a template of no key", template(object{}), "spec.secret.template.data: Invalid value: 0: spec.secret.template.data in body should have at least 1 properties"},
		{"a template for a key with a slash", template(object{"a/b": "x"}), wantKey},
		{"a template for a key of two dots", template(object{"..": "x"}), wantKey},
		{"a template for a key of 254 characters", template(object{strings.Repeat("a", 254): "x"}), wantKey},
		{"too many templates", template(numberedKeys(17)), "spec.secret.template.data: Too many: 17: must have at most 16 items"},
		{"a template of 8193 characters", template(object{"a": strings.Repeat("x", 8193)}), "spec.secret.template.data.a: Too long: may not be more than 8192"},

		{"a template for a standard key", template(object{"client_secret": "x"}), "a key of spec.secret.template.data is one of spec.secret.keys"},
		{"a template for a renamed key", secret(object{"template": object{"data": object{"ID": "x"}}, "keys": object{"clientID": "ID"}}), "a key of spec.secret.template.data is one of spec.secret.keys"},
		{"an access token under a standard key", accessToken(object{"key": "client_secret"}, nil), "an access token would share its key"},
		{"an access token's end under a standard key", secret(object{"accessTokens": list(object{"key": "t"}), "keys": object{"scope": "t_expires_at"}}), "an access token would share its key"},
		{"an access token under the key of another one's end", secret(object{"accessTokens": list(object{"key": "t"}, object{"key": "t_expires_at"})}), "an access token has the key that another one's end is written under"},
		{"an access token without key", secret(object{"accessTokens": list(object{})}), "spec.secret.accessTokens[0].key: Required value"},
		{"an access token with an empty key", accessToken(object{"key": ""}, nil), "spec.secret.accessTokens[0].key"},
		{"an access token with a key of a space", accessToken(object{"key": "a b"}, nil), wantKey},
		{"an access token with a key of 64 characters", accessToken(object{"key": strings.Repeat("a", 64)}, nil), "spec.secret.accessTokens[0].key: Too long: may not be more than 63"},
		{"two access tokens with one key", secret(object{"accessTokens": list(object{"key": "a"}, object{"key": "a"})}), `spec.secret.accessTokens[1]: Duplicate value: {"key":"a"}`},
		{"too many access tokens", secret(object{"accessTokens": slicesOfKeys(9)}), "spec.secret.accessTokens: Too many: 9: must have at most 8 items"},
		{"an access token's scope that is not a scope", accessToken(object{"scopes": list("a", "c")}, nil), wantOwnScopes},
		{"an access token's scope twice", accessToken(object{"scopes": list("a", "a")}, nil), `spec.secret.accessTokens[0].scopes[1]: Duplicate value: "a"`},
		{"too many scopes for an access token", accessToken(object{"scopes": numbered("s", 65)}, nil), "spec.secret.accessTokens[0].scopes: Too many: 65: must have at most 64 items"},
		{"an access token's scope of 129 characters", accessToken(object{"scopes": list(strings.Repeat("s", 129))}, nil), "spec.secret.accessTokens[0].scopes[0]: Too long: may not be more than 128"},
		{"an access token's audience that is none", accessToken(object{"audience": "urn:c"}, nil), wantOwnAudience},
		{"an access token's audience of 513 characters", accessToken(object{"audience": strings.Repeat("a", 513)}, nil), "spec.secret.accessTokens[0].audience: Too long: may not be more than 512"},
		{"access tokens without their grant", accessToken(nil, object{"grantTypes": list("password")}), wantOwnGrant},
		{"access tokens that end before a Pod sees them", accessToken(nil, object{"token": object{"lifetime": "4m59s"}}), wantLongEnough},

		{"an empty selector", restart(object{"selector": object{}}), wantLabels},
		{"a selector with empty parts", restart(object{"selector": object{"matchLabels": object{}, "matchExpressions": list[object]()}}), wantLabels},
		{"no batch", restart(object{"batchSize": int64(0)}), "spec.restart.batchSize: Invalid value: 0: spec.restart.batchSize in body should be greater than or equal to 1"},
		{"a batch of 51", restart(object{"batchSize": int64(51)}), "spec.restart.batchSize: Invalid value: 51: spec.restart.batchSize in body should be less than or equal to 50"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := k8sClient.Create(t.Context(), integration("refused", test.spec), client.DryRunAll)
			if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
				t.Fatalf("want the API server to call it invalid, got %v", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("the message is\n  %v\nwant it to say\n  %s", err, test.want)
			}
		})
	}
}

// slicesOfKeys returns n access tokens with a key each.
func slicesOfKeys(n int) []any {
	return list(slicesOf(n, func(i int) object { return object{"key": numbered("t", n)[i]} })...)
}

func TestTheSchemaTakesLifecycles(t *testing.T) {
	for _, test := range []struct {
		name string
		spec object
	}{
		{"an empty rotation", rotation(object{})},
		{"the shortest interval", rotation(object{"interval": "1h"})},
		{"the longest interval", rotation(object{"interval": "17520h"})},
		{"an overlap of nothing", rotation(object{"overlap": "0s"})},
		{"the shortest overlap", rotation(object{"overlap": "1m"})},
		{"the longest overlap", rotation(object{"overlap": "8760h", "maxOverlap": "8760h"})},
		{"everything as long as can be", rotation(object{"interval": "24h", "overlap": "23h59m59s", "maxOverlap": "24h", "retirement": "WhenUnused"})},
		{"retirement by the clock", rotation(object{"overlap": "1h", "retirement": "AfterOverlap"})},
		{"a request", rotation(object{"requestedAt": "2026-11-22T10:00:00Z"})},
		{"a window", window(nil)},
		{"a window with everything", window(object{"schedule": "*/5 0-6,22 1,15 JAN-JUN MON-FRI", "timeZone": "America/Argentina/Buenos_Aires", "duration": "5m"})},
		{"a window of a week", window(object{"duration": "168h", "timeZone": "Etc/GMT+5"})},
		{"a client secret of one's own", credentials(object{"clientSecretRef": object{"name": "mine"}, "rotation": object{"overlap": "1h"}})},
		{
			"a client secret of one's own under the Integration's name, which is not the Secret's",
			object{"credentials": object{"clientSecretRef": object{"name": "taken"}}, "secret": object{"name": "other"}},
		},
		{"the most templates", template(numberedKeys(16))},
		{"a long template", template(object{"app.env": strings.Repeat("x", 8192)})},
		{"an access token", accessToken(nil, nil)},
		{"an access token for less", accessToken(object{"scopes": list("b"), "audience": "urn:b"}, object{"token": object{"lifetime": "5m"}})},
		{"an access token without scopes, for all audiences", accessToken(object{"scopes": list[string](), "audience": ""}, nil)},
		{"the most access tokens", secret(object{"accessTokens": slicesOfKeys(8)})},
		{"a restart of whoever uses the Secret", restart(object{})},
		{"a restart by labels", restart(object{"selector": object{"matchLabels": object{"app": "shop"}}, "batchSize": int64(50)})},
		{"a restart by an expression", restart(object{"selector": object{"matchExpressions": list(object{"key": "app", "operator": "Exists"})}})},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := k8sClient.Create(t.Context(), integration("taken", test.spec), client.DryRunAll); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheSchemaFillsInDefaultsOfLifecycles(t *testing.T) {
	spec := window(nil)
	maps.Copy(spec, restart(object{}))
	intg := integration("lifecycle-defaults", spec)
	create(t, intg)
	var got v1alpha1.Integration
	if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(intg), &got); err != nil {
		t.Fatal(err)
	}
	if r := got.Spec.Credentials.Rotation; r.Retirement != v1alpha1.RetirementWhenUnused || r.Window.TimeZone != "UTC" || r.Overlap != nil {
		t.Errorf("rotation: got %+v", r)
	}
	if diff := cmp.Diff(&v1alpha1.RestartSpec{BatchSize: 5}, got.Spec.Restart); diff != "" {
		t.Errorf("restart (-want +got):\n%s", diff)
	}
	if got.Namespace != metav1.NamespaceDefault {
		t.Errorf("namespace: got %s", got.Namespace)
	}
}
