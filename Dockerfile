# Both images may be taken from your own registry:
#   docker build --build-arg BUILD_IMAGE=<your golang image> --build-arg RUN_IMAGE=<your base image> .
ARG BUILD_IMAGE=golang:1.26
ARG RUN_IMAGE=scratch

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
# The modules are a layer of their own, which only changes with go.mod.
COPY go.mod go.sum ./
RUN go mod download
COPY api/ api/
COPY cmd/manager/ cmd/manager/
COPY controllers/ controllers/
COPY internal/ internal/
COPY tokenserver/ tokenserver/
RUN CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags="-s -w" -o /manager ./cmd/manager

FROM ${RUN_IMAGE}
# What an empty image lacks: the public certificate authorities, for API servers and proxies that they vouch for.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /manager /manager
USER 65532:65532
ENTRYPOINT ["/manager"]
