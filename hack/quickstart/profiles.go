// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"
)

// A profileToken is a token of a profile, and how it was obtained.
type profileToken struct {
	profile, integration, how, token string
	// audience is the aud claim that its system writes.
	audience string
}

// profileTokens logs in to the samples of the profiles beside plain OAuth 2, each with the request that its system documents, and verifies what comes
// back.
func profileTokens(ctx context.Context, l layout, issuer string) ([]profileToken, error) {
	var got []profileToken
	for _, login := range []func(context.Context, layout) (profileToken, error){shopwareToken, oroCommerceToken, magentoToken} {
		t, err := login(ctx, l)
		if err == nil {
			err = verify(ctx, l, issuer, t.audience, t.token)
		}
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", t.profile, err)
		}
		got = append(got, t)
	}
	return got, nil
}

// shopwareToken logs in an administrator, as Shopware's own administration does.
func shopwareToken(ctx context.Context, l layout) (profileToken, error) {
	const path = "/api/oauth/token"
	t := profileToken{
		profile: "Shopware", integration: "shopware-sync", audience: "administration",
		how: "POST <base_url>" + path + ", password as administration, JSON",
	}
	return logIn(ctx, l, t, "shopware-admin", path, map[string]string{"client_id": "administration", "scopes": "write"})
}

// oroCommerceToken logs in a customer of the storefront.
func oroCommerceToken(ctx context.Context, l layout) (profileToken, error) {
	const path = "/oauth2-token"
	t := profileToken{
		profile: "OroCommerce", integration: "orocommerce-storefront", audience: "storefront",
		how: "POST <base_url>" + path + ", password with client secret, JSON",
	}
	secret, err := readSecret(ctx, l, t.integration, "client_id", "client_secret")
	if err != nil {
		return t, err
	}
	return logIn(ctx, l, t, "orocommerce-customer", path, map[string]string{
		"client_id": string(secret["client_id"]), "client_secret": string(secret["client_secret"]),
	})
}

// logIn fills in the token that a user gets by the grant password.
func logIn(ctx context.Context, l layout, t profileToken, user, path string, members map[string]string) (profileToken, error) {
	members["grant_type"] = "password"
	answer, err := loginWithJSON(ctx, l, t.integration, user, path, members)
	if err != nil {
		return t, err
	}
	t.token, err = accessTokenOf(answer)
	return t, err
}

// magentoToken logs in an administrator, whose token comes as a bare JSON string.
func magentoToken(ctx context.Context, l layout) (profileToken, error) {
	const path = "/rest/V1/integration/admin/token"
	t := profileToken{
		profile: "Magento", integration: "magento-sync", audience: "https://magento.shop.example",
		how: "POST <base_url>" + path + ", JSON",
	}
	answer, err := loginWithJSON(ctx, l, t.integration, "magento-admin", path, map[string]string{})
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(answer, &t.token); err != nil {
		return t, fmt.Errorf("get a token: the server answers %s", answer)
	}
	return t, nil
}

// loginWithJSON posts the name and the password in a user's Secret, with further members, to a path below an Integration's base URL.
func loginWithJSON(ctx context.Context, l layout, name, user, path string, members map[string]string) ([]byte, error) {
	secret, err := readSecret(ctx, l, name, "base_url")
	if err != nil {
		return nil, err
	}
	login, err := readSecret(ctx, l, user, "username", "password")
	if err != nil {
		return nil, err
	}
	members["username"], members["password"] = string(login["username"]), string(login["password"])
	body, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("encode a login: %w", err)
	}
	return curl(ctx, l, string(secret["base_url"])+path, `header = "Content-Type: application/json"`, "data = "+curlQuote(string(body)))
}

// printTokens prints a table of tokens.
func printTokens(list []profileToken) error {
	fmt.Print("\nOne token of each profile, all verified:\n")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(w, "PROFILE\tINTEGRATION\tHOW\tTOKEN")
	for _, t := range list {
		_, _ = fmt.Fprintf(w, "%s\t%s/%s\t%s\t%s\n", t.profile, namespace, t.integration, t.how, t.token)
	}
	if err := w.Flush(); err != nil { // Writes to it are remembered.
		return fmt.Errorf("print the tokens: %w", err)
	}
	return nil
}
