package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"millrace/event"
)

// PutBlob stores an object, and answers with its digest. One that nothing names is removed from storage after a day.
func (c *Client) PutBlob(ctx context.Context, content []byte) (event.Digest, error) {
	digest := event.DigestOf(content)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.url+"/api/v1/blob/"+string(digest), strings.NewReader(string(content)))
	if err != nil {
		return "", fmt.Errorf("client: %w", err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("client: %w at %s: %w", ErrUnreachable, c.url, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // what there is of a reason
		return "", &QueryError{Message: fmt.Sprintf("object %s: the node answered %s: %s", digest.Short(), resp.Status, strings.TrimSpace(string(raw)))}
	}
	return digest, nil
}
