// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types. All of them are set on every pass, each with the generation it speaks of.
const (
	// ConditionReady sums up: True means that the client can get a token now. Positive polarity.
	//
	// Reasons for True: Ready.
	// Reasons for False: Suspended, and the reason of whichever condition below stands in the way.
	// Reasons for Unknown: never used.
	ConditionReady = "Ready"

	// ConditionReconciling is True while the operator is working towards spec or waiting for something that will come by
	// itself. Negative polarity, as kstatus defines it.
	//
	// Reasons for True: CertificateAuthorityPending, SecretPending, SigningKeyPending, SecretNotFound, ReconcileError.
	// Reasons for False: Idle.
	ConditionReconciling = "Reconciling"

	// ConditionStalled is True when somebody has to change something before the operator can go on. Negative polarity, as
	// kstatus defines it.
	//
	// Reasons for True: NoPolicy, NotPermitted, ClientIDConflict, SecretConflict, SecretRejected, SecretNotConsented, SecretInvalid,
	// ClientSecretTooWeak, RotationInvalid, TemplateInvalid, DuplicateUser, NothingToRestart, RestartForbidden.
	// Reasons for False: Idle.
	ConditionStalled = "Stalled"

	// ConditionPermitted is True when the policies allow all that spec asks for. Positive polarity. What they do not allow is not in
	// status.granted; the rest works.
	//
	// Reasons for True: Permitted.
	// Reasons for False: NoPolicy, NotPermitted, ReconcileError.
	ConditionPermitted = "Permitted"

	// ConditionCredentialsReady is True when the credentials Secret is there and complete, and so are the Secrets of spec.users.
	// Positive polarity.
	//
	// Reasons for True: SecretReady.
	// Reasons for False: NoPolicy, NotPermitted, ClientIDConflict, SecretConflict, SecretRejected, CertificateAuthorityPending, SecretPending,
	// SecretNotFound, SecretNotConsented, SecretInvalid, ClientSecretTooWeak, TemplateInvalid, DuplicateUser, ReconcileError.
	ConditionCredentialsReady = "CredentialsReady"
)

// Reasons of conditions. An event about the same fact carries the same reason.
const (
	// ReasonReady: the client can get a token.
	ReasonReady = "Ready"
	// ReasonSuspended: spec.suspend is true, or spec.revokeTokensIssuedBefore is in the future; the client gets no tokens.
	ReasonSuspended = "Suspended"
	// ReasonIdle: nothing is being worked on, and nothing is in the way.
	ReasonIdle = "Idle"
	// ReasonReconcileError: a pass failed and will be tried again; the message says what failed.
	ReasonReconcileError = "ReconcileError"
	// ReasonSecretReady: the credentials Secret is there and complete.
	ReasonSecretReady = "SecretReady"
	// ReasonSecretConflict: a Secret of the wanted name exists and is not this Integration's. It is left as it is.
	ReasonSecretConflict = "SecretConflict"
	// ReasonSecretRejected: the API server refuses the Secret that spec.secret asks for.
	ReasonSecretRejected = "SecretRejected"
	// ReasonSecretPending: the Secret of a former Integration of this name waits for the garbage collector, or the one just
	// written, by the operator or by a user, has not come by the watch yet.
	ReasonSecretPending = "SecretPending"
	// ReasonPermitted: the policies allow all that spec asks for.
	ReasonPermitted = "Permitted"
	// ReasonNoPolicy: no IntegrationPolicy is for the Integration's namespace, so that it may have nothing.
	ReasonNoPolicy = "NoPolicy"
	// ReasonNotPermitted: no IntegrationPolicy allows some of what spec asks for; the message says what.
	ReasonNotPermitted = "NotPermitted"
	// ReasonRotationInvalid: spec.credentials.rotation cannot be followed; the client secret stays as it is.
	ReasonRotationInvalid = "RotationInvalid"
	// ReasonTemplateInvalid: a key of spec.secret.template cannot be rendered; it keeps the value it has, and everything else goes on but the
	// rotation by interval.
	ReasonTemplateInvalid = "TemplateInvalid"
	// ReasonClientSecretTooWeak: the client secret that the user brings, by clientSecretRef, is too easy to guess.
	ReasonClientSecretTooWeak = "ClientSecretTooWeak"
	// ReasonNothingToRestart: spec.restart.selector chooses no workload. The client gets tokens all the same, as with the next one.
	ReasonNothingToRestart = "NothingToRestart"
	// ReasonRestartForbidden: the operator may not restart workloads: the platform has left that permission out.
	ReasonRestartForbidden = "RestartForbidden"
	// ReasonSecretNotFound: a Secret that spec.users or spec.credentials.clientSecretRef names does not exist. Other users log in as
	// before, and so it is with the next three.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretNotConsented: a Secret that spec.users or spec.credentials.clientSecretRef names lacks the label by which its owner lets the
	// Integration use it.
	ReasonSecretNotConsented = "SecretNotConsented"
	// ReasonSecretInvalid: a Secret that spec.users or spec.credentials.clientSecretRef names is none of the kind; the message says what it
	// lacks. A user's may also be sound, with a password hash of a third kind among the Integration's users.
	ReasonSecretInvalid = "SecretInvalid"
	// ReasonDuplicateUser: two Secrets that spec.users names hold the same username. Neither of the two users can log in.
	ReasonDuplicateUser = "DuplicateUser"
	// ReasonClientIDConflict: another Integration owns the wanted client ID, or its form is kept for another namespace.
	ReasonClientIDConflict = "ClientIDConflict"
	// ReasonSigningKeyPending: a key that signs or encrypts this Integration's tokens is being made.
	ReasonSigningKeyPending = "SigningKeyPending"
	// ReasonCertificateAuthorityPending: the operator's own certificate authority is being made.
	ReasonCertificateAuthorityPending = "CertificateAuthorityPending"
)

// Reasons of events that no condition carries.
const (
	// ReasonSecretRestored: a credentials Secret was missing or changed by hand and has been put back; the client secret, where
	// it has one, is the same as before.
	ReasonSecretRestored = "SecretRestored"
	// ReasonClientSecretRegenerated: the client secret was lost and a new one was made; holders of the old one are locked out.
	ReasonClientSecretRegenerated = "ClientSecretRegenerated"
	// ReasonSecretAdopted: a Secret that was there before the Integration was taken over.
	ReasonSecretAdopted = "SecretAdopted"
	// ReasonClientSecretRotated: a new client secret took the place of another, which is accepted for the overlap.
	ReasonClientSecretRotated = "ClientSecretRotated"
	// ReasonRotationWaits: a rotation is due and waits until the previous client secret is accepted no longer, as two at most are.
	ReasonRotationWaits = "RotationWaits"
	// ReasonPreviousSecretInUse: the overlap is over and somebody still uses the previous client secret.
	ReasonPreviousSecretInUse = "PreviousSecretInUse"
	// ReasonPreviousSecretRetired: the previous client secret is accepted no longer. The event is a warning if somebody still used it.
	ReasonPreviousSecretRetired = "PreviousSecretRetired"
	// ReasonWorkloadsRestarted: workloads are restarted after a rotation.
	ReasonWorkloadsRestarted = "WorkloadsRestarted"
	// ReasonSecretReplaced: spec.secret.name changed and the Secret of the former name was removed or released.
	ReasonSecretReplaced = "SecretReplaced"
	// ReasonSigningKeyCreated, ReasonSigningKeyActivated and ReasonSigningKeyRetired follow a signing key through its life.
	ReasonSigningKeyCreated   = "SigningKeyCreated"
	ReasonSigningKeyActivated = "SigningKeyActivated"
	ReasonSigningKeyRetired   = "SigningKeyRetired"
	// ReasonSigningKeyRebuilt: the active signing key was lost or damaged; tokens that it signed no longer verify, and what a lost
	// key for KeyAlgorithmA256GCM protected, opaque tokens and logins, has ended.
	ReasonSigningKeyRebuilt = "SigningKeyRebuilt"
	// ReasonCertificateAuthorityCreated and ReasonServingCertificateIssued: the self-made CA or certificate was made or renewed.
	ReasonCertificateAuthorityCreated = "CertificateAuthorityCreated"
	ReasonServingCertificateIssued    = "ServingCertificateIssued"
)
