package gateway

import _ "embed"

// openapiDocument describes the gateway's HTTP interface, in OpenAPI 3.1.
//
//go:embed openapi.yaml
var openapiDocument string
