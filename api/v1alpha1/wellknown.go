// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"strings"
	"time"
)

// This file is the contract between the controllers, which write Kubernetes objects, and the token server, which reads
// them. Neither half imports the other.

// The prefix of every label and annotation of the operator. Users may not set keys with it on generated Secrets.
const MetadataPrefix = "integration-operator.io/"

// Labels. The operator's informers see only Secrets that carry LabelIntegration, and those of its own namespace.
const (
	// LabelIntegration names the Integration a Secret belongs to. It bounds the informer and proves nothing: a Secret is an
	// Integration's when its controller owner reference carries the Integration's UID.
	LabelIntegration = MetadataPrefix + "integration"
	// LabelAdopt is the consent of a Secret's owner to more than LabelIntegration: the Integration that it names may take the Secret over,
	// write it and delete it. The operator puts it on Secrets that outlive their Integration.
	LabelAdopt = MetadataPrefix + "adopt"
	// LabelSigningKey marks a Secret of the operator's namespace that holds a signing key, or a key for KeyAlgorithmA256GCM; its
	// value is the algorithm.
	LabelSigningKey = MetadataPrefix + "signing-key"
	// LabelKeyState is where a signing key stands in its life: one of the KeyState values.
	LabelKeyState = MetadataPrefix + "key-state"
)

// Annotations.
const (
	// AnnotationClientSecretKey names the data key of a credentials Secret that holds the client secret. It lies on the
	// Secret itself so that renaming the key and telling the token server about it is one write. A Secret without it holds no
	// client secret.
	AnnotationClientSecretKey = MetadataPrefix + "client-secret-key"
	// AnnotationRotation holds, on a credentials Secret, how far a rotation of its client secret has come: a RotationRecord. It lies on
	// the Secret itself so that a new client secret and the digest of the one before it are one write.
	AnnotationRotation = MetadataPrefix + "rotation"
	// AnnotationAdoptedKeys lists as JSON the data keys that a Secret had, beside the standard ones, when the operator took it over.
	// They stay as they are.
	AnnotationAdoptedKeys = MetadataPrefix + "adopted-keys"
	// AnnotationTrimmed is on no Secret of the API server: the manager's cache puts it on a Secret of which it does not hold all the data. Whoever
	// writes such a Secret reads it from the API server first.
	AnnotationTrimmed = MetadataPrefix + "trimmed"
	// AnnotationAppliedMetadata records as JSON which labels and annotations of a generated Secret came from
	// spec.secret, so that one taken out of spec is taken off the Secret and nobody else's is.
	AnnotationAppliedMetadata = MetadataPrefix + "applied-metadata"
	// AnnotationKeyPublishedAt, AnnotationKeyActivatedAt and AnnotationKeyExpiresAt are the RFC 3339 times at which a
	// signing key entered the JWKS, began to sign, and may leave the JWKS.
	AnnotationKeyPublishedAt = MetadataPrefix + "key-published-at"
	AnnotationKeyActivatedAt = MetadataPrefix + "key-activated-at"
	AnnotationKeyExpiresAt   = MetadataPrefix + "key-expires-at"
)

// Secret types.
const (
	// SecretTypeCredentials is the type of a generated credentials Secret.
	SecretTypeCredentials = "integration-operator.io/credentials"
	// SecretTypeSigningKey is the type of a Secret that holds a signing key.
	SecretTypeSigningKey = "integration-operator.io/signing-key"
	// SecretTypeCertificateAuthority is the type of the Secret that holds the operator's own certificate authority.
	SecretTypeCertificateAuthority = "integration-operator.io/certificate-authority"
)

// Names of the operator's own Secrets and of their data keys.
const (
	// CertificateAuthoritySecretName holds the CA that signs the self-made serving certificate: tls.crt, tls.key, ca.crt
	// (every certificate a client may need to trust), and while a successor is being published next.crt and next.key.
	CertificateAuthoritySecretName = "integration-operator-ca"
	// ServingCertificateSecretName holds the self-made serving certificate: tls.crt, tls.key, ca.crt.
	ServingCertificateSecretName = "integration-operator-serving-cert"

	// signingKeySecretPrefix begins the names of the Secrets that hold signing keys.
	signingKeySecretPrefix = "signing-key-"

	// KeyPrivateKey holds a signing key's private key as PKCS #8 in PEM, or a key for KeyAlgorithmA256GCM as PEMTypeSymmetricKey.
	KeyPrivateKey = "private-key.pem"
	// KeyCertificate, KeyCertificateKey and KeyCABundle are the data keys of kubernetes.io/tls Secrets and of cert-manager.
	KeyCertificate    = "tls.crt"
	KeyCertificateKey = "tls.key"
	KeyCABundle       = "ca.crt"
	// KeyNextCertificate and KeyNextCertificateKey hold the published successor of a CA.
	KeyNextCertificate    = "next.crt"
	KeyNextCertificateKey = "next.key"
)

// KeyClientSecret is the data key of a Secret that spec.credentials.clientSecretRef names.
const KeyClientSecret = "client_secret"

// ExpiresAtSuffix is appended to the data key of an access token; the key that results holds its end as an RFC 3339 time.
const ExpiresAtSuffix = "_expires_at"

// Data keys of a Secret that holds a user's login. The first two are those of corev1.SecretTypeBasicAuth.
const (
	KeyUsername = "username"
	KeyPassword = "password"
	// KeyPasswordHash holds a bcrypt or argon2id hash in place of the password.
	KeyPasswordHash = "passwordHash"
	// KeyTOTP holds the seed of the user's one-time codes in base32, or the otpauth URL with it.
	KeyTOTP = "totp"
	// KeySecurityKeys holds the user's security keys as a JSON list.
	KeySecurityKeys = "securityKeys"
)

// KeyAlgorithmA256GCM is the algorithm of the keys that encrypt opaque access tokens and authenticate refresh tokens. They are kept
// and rotated like signing keys, in Secrets of the same type, and are never published.
const KeyAlgorithmA256GCM SigningAlgorithm = "A256GCM"

// PEMTypeSymmetricKey is the PEM type of such a key: 32 random bytes.
const PEMTypeSymmetricKey = "SYMMETRIC KEY"

// Values of the constant keys of a generated Secret, as servicebinding.io's well-known entries ask for them.
const (
	SecretEntryType     = "oauth2"
	SecretEntryProvider = "integration-operator"
)

// A KeyState is where a signing key stands in its life; it only moves forward: next, active, retiring, deleted.
const (
	// KeyStateNext is published in the JWKS and does not sign yet.
	KeyStateNext = "next"
	// KeyStateActive signs.
	KeyStateActive = "active"
	// KeyStateRetiring is published until the last token it signed has expired.
	KeyStateRetiring = "retiring"
)

const (
	// JWKSMaxAge is how long a verifier may cache the published keys. A key is published for twice as long before it
	// signs.
	JWKSMaxAge = 5 * time.Minute
	// MinTokenLifetime and MaxTokenLifetime bound spec.token.lifetime; the schema says the same.
	MinTokenLifetime = time.Minute
	MaxTokenLifetime = 24 * time.Hour
	// MaxRefreshLifetime bounds spec.token.refreshLifetime; the schema says the same. A key that protects refresh tokens is kept
	// for as long after it was used last.
	MaxRefreshLifetime = 2160 * time.Hour
	// MinClientSecretLength and MaxClientSecretLength bound the characters of a client secret: what is shorter or longer counts as
	// damaged. The token server reads no longer ones. 22 characters of base64 hold 128 bits; those that the operator makes hold 256.
	MinClientSecretLength = 22
	MaxClientSecretLength = 1024
)

// Paths of the token server's endpoints below the issuer URL.
const (
	PathToken         = "/oauth2/token"
	PathIntrospection = "/oauth2/introspect"
	PathRevocation    = "/oauth2/revoke"
	PathJWKS          = "/oauth2/jwks"
	PathVerify        = "/verify"
)

// Paths of the profiles' token endpoints. That of OroCommerce is below the issuer URL, as its clients name themselves in each request; the
// others are below the Integration's own base URL, as their logins name no client.
const (
	PathShopwareToken     = "/api/oauth/token"
	PathOroCommerceToken  = "/oauth2-token"
	PathMagentoAdminToken = "/rest/V1/integration/admin/token"
)

// PathIntegrations begins the path of an Integration's own base URL below the issuer URL; <namespace>/<name> follows.
const PathIntegrations = "/integrations/"

// EndpointsOf returns the endpoints of the token server with the given issuer URL, which has no trailing slash, for the profile OAuth2.
func EndpointsOf(issuer string) *Endpoints {
	return &Endpoints{
		Issuer: issuer, Token: issuer + PathToken, Introspection: issuer + PathIntrospection,
		Revocation: issuer + PathRevocation, JWKS: issuer + PathJWKS, Verify: issuer + PathVerify,
	}
}

// SigningKeySecretPrefix returns what the names of an algorithm's signing key Secrets begin with; a number follows.
func SigningKeySecretPrefix(algorithm SigningAlgorithm) string {
	return signingKeySecretPrefix + strings.ToLower(string(algorithm)) + "-"
}

// ReservedSecretName reports whether a Secret of that name in the operator's own namespace is the operator's own.
func ReservedSecretName(name string) bool {
	return name == CertificateAuthoritySecretName || name == ServingCertificateSecretName ||
		strings.HasPrefix(name, signingKeySecretPrefix)
}
