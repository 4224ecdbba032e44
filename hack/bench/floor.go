// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// A floor does the two writes that a new Integration costs and nothing else: it watches nothing, looks nothing up, and waits for no more
// than the answers. It is the same user as the manager, and sends Secrets in the encoding that the manager uses.
type floor struct {
	secrets kubernetes.Interface
	status  rest.Interface
	model   model
}

// A model is an Integration with its Secret, as the manager left them.
type model struct {
	intg   *v1alpha1.Integration
	secret *corev1.Secret
}

// newFloor returns a floor that writes what the manager wrote for the model.
func newFloor(kubeconfig string, of model) (*floor, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the manager's kubeconfig: %w", err)
	}
	config.QPS, config.UserAgent = -1, "integration-operator-floor"
	inProtobuf := rest.CopyConfig(config)
	inProtobuf.ContentType = runtime.ContentTypeProtobuf
	secrets, err := kubernetes.NewForConfig(inProtobuf)
	if err != nil {
		return nil, fmt.Errorf("set up the floor's client: %w", err)
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register the API types: %w", err)
	}
	config.APIPath, config.GroupVersion = "/apis", &v1alpha1.GroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	status, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("set up the floor's client: %w", err)
	}
	return &floor{secrets: secrets, status: status, model: of}, nil
}

// serve does both writes for an Integration.
func (f *floor) serve(ctx context.Context, intg *v1alpha1.Integration) error {
	secret := f.secretFor(intg)
	if _, err := f.secrets.CoreV1().Secrets(intg.Namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create Secret %s/%s: %w", intg.Namespace, intg.Name, err)
	}
	patch, err := f.patchFor(intg)
	if err != nil {
		return fmt.Errorf("encode the status of Integration %s/%s: %w", intg.Namespace, intg.Name, err)
	}
	err = f.status.Patch(types.MergePatchType).Namespace(intg.Namespace).Resource("integrations").Name(intg.Name).SubResource("status").
		Body(patch).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("patch the status of Integration %s/%s: %w", intg.Namespace, intg.Name, err)
	}
	return nil
}

// secretFor returns the model's Secret, made over for an Integration.
func (f *floor) secretFor(intg *v1alpha1.Integration) *corev1.Secret {
	of := f.model.secret
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: intg.Namespace, Name: intg.Name, Labels: map[string]string{}, Annotations: map[string]string{},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(intg, v1alpha1.GroupVersion.WithKind("Integration"))},
		},
		Type: of.Type,
		Data: map[string][]byte{},
	}
	for key, value := range of.Labels {
		secret.Labels[key] = f.rename(value, intg)
	}
	for key, value := range of.Annotations {
		secret.Annotations[key] = f.rename(value, intg)
	}
	for key, value := range of.Data {
		secret.Data[key] = []byte(f.rename(string(value), intg))
	}
	secret.Data[string(f.model.intg.Spec.Secret.Keys.ClientSecret)] = []byte(rand.Text() + rand.Text())
	return secret
}

// patchFor returns a merge patch with the model's status, made over for an Integration, and with the resource version, as the manager's.
func (f *floor) patchFor(intg *v1alpha1.Integration) ([]byte, error) {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]string{"resourceVersion": intg.ResourceVersion}, "status": f.model.intg.Status,
	})
	return []byte(f.rename(string(patch), intg)), err
}

// rename puts an Integration's namespace and name where the model's are.
func (f *floor) rename(text string, intg *v1alpha1.Integration) string {
	return strings.NewReplacer(f.model.intg.Namespace, intg.Namespace, f.model.intg.Name, intg.Name).Replace(text)
}
