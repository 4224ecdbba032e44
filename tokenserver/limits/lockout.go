package limits

// Placeholder until branch sessions is merged.
const (
	ByLockout        Kind = "lockout"
	ByUnknownLockout Kind = "unknown_lockout"
)

func LockoutKey(clientID, kind, username string) Key {
	return Key{Kind: ByLockout, ID: clientID + ":" + kind + ":" + username}
}

func UnknownLockoutKey(clientID, kind, username string) Key {
	return Key{Kind: ByUnknownLockout, ID: clientID + ":" + kind + ":" + bucket(username, unknownUsers)}
}
