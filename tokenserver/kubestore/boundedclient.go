// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A boundedClient makes so many calls at once as there are slots: those of Sessions, which come with requests, must not take the
// API server's time from all others, nor pile up while it is slow. A call waits for a slot until its context is done.
type boundedClient struct {
	client.Client
	slots chan struct{}
}

// Get implements client.Reader.
func (c *boundedClient) Get(ctx context.Context, name client.ObjectKey, object client.Object, o ...client.GetOption) error {
	return c.do(ctx, func() error { return c.Client.Get(ctx, name, object, o...) })
}

// List implements client.Reader.
func (c *boundedClient) List(ctx context.Context, list client.ObjectList, o ...client.ListOption) error {
	return c.do(ctx, func() error { return c.Client.List(ctx, list, o...) })
}

// Create implements client.Writer.
func (c *boundedClient) Create(ctx context.Context, object client.Object, o ...client.CreateOption) error {
	return c.do(ctx, func() error { return c.Client.Create(ctx, object, o...) })
}

// Patch implements client.Writer.
func (c *boundedClient) Patch(ctx context.Context, object client.Object, p client.Patch, o ...client.PatchOption) error {
	return c.do(ctx, func() error { return c.Client.Patch(ctx, object, p, o...) })
}

// Delete implements client.Writer.
func (c *boundedClient) Delete(ctx context.Context, object client.Object, o ...client.DeleteOption) error {
	return c.do(ctx, func() error { return c.Client.Delete(ctx, object, o...) })
}

// do makes a call when there is a slot for it. What it returns otherwise is the context's error, which callers take for no answer.
func (c *boundedClient) do(ctx context.Context, call func() error) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
		return call()
	case <-ctx.Done():
		return ctx.Err()
	}
}
