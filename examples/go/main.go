// Command mezo-svrg fine-tunes a model on a Zeroth server by MeZO-SVRG, without gradients:
//
//	mezo-svrg [ADDRESS [RUN_ID]]
//
// The server has the weights. The program says where to measure losses, and which way to go then; a direction is a
// seed, so that a step is some hundred bytes. docs/clients.md specifies the problem, and has it in other languages.
package main

// The plugins first: buf starts them at once, and each would compile what both take.
//go:generate go build tool
//go:generate npx buf generate --template buf.gen.yaml

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	zeroth "example.com/mezo-svrg/gen/zeroth/v1"
)

const (
	rows, features, classes = 96, 4, 3
	dataSeed                = 11
	batchSize, batchSeed    = 16, 2

	steps            = 200
	q                = 5 // Steps from one anchor to the next.
	eta1, eta2       = 0.1, 0.05
	epsilon          = 1e-3
	anchorDirections = 4
	seed             = 1
	snapshotID       = "mezo-svrg"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	address, runID := argument(1, "127.0.0.1:50051"), argument(2, "")
	if !isHostAndPort(address) {
		fmt.Fprintf(os.Stderr, "address: expected \"host:port\", got %q\n", address)
		os.Exit(1)
	}
	if err := optimize(ctx, address, runID); err != nil {
		explain(err, address)
		os.Exit(1)
	}
}

func argument(place int, otherwise string) string {
	if len(os.Args) > place {
		return os.Args[place]
	}
	return otherwise
}

// isHostAndPort says no to what gRPC would look up as the name of a host, and not find: a URL.
func isHostAndPort(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.ContainsAny(host, "/ ") {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number > 0
}

// optimize uploads the data, creates a run, trains it, and prints where it has come to.
func optimize(ctx context.Context, address, runID string) error {
	connection, err := dial(address)
	if err != nil {
		return err
	}
	defer connection.Close()

	model, err := loadModel(ctx, zeroth.NewModelServiceClient(connection), "torch-mlp.onnx")
	if err != nil {
		return err
	}
	dataset, err := upload(ctx, zeroth.NewDatasetServiceClient(connection))
	if err != nil {
		return err
	}
	runs := zeroth.NewRunServiceClient(connection)
	created, err := runs.CreateRun(ctx, &zeroth.CreateRunRequest{
		Model:     model,
		RunId:     runID,
		Objective: &zeroth.Objective{Name: "cross_entropy"},
	})
	if err != nil {
		return err
	}

	t := &training{
		runs: runs, oracle: zeroth.NewOracleServiceClient(connection), run: created.Run.Name, dataset: dataset,
	}
	for step := range uint64(steps) {
		loss, err := t.step(ctx, step)
		if err != nil {
			return err
		}
		if (step+1)%20 == 0 {
			fmt.Fprintf(os.Stderr, "step %d: loss %.4f\n", step+1, loss)
		}
	}
	return t.printOutcome(ctx)
}

// ---- The method: MeZO-SVRG (arXiv 2404.08080, algorithm 1) ----

// A gradient is a list of shifts: a direction is its seed, and the scale is the slope along it.
type gradient []*zeroth.Shift

type training struct {
	runs         zeroth.RunServiceClient
	oracle       zeroth.OracleServiceClient
	run, dataset string

	anchor      gradient // g: of all rows, at the snapshot.
	miniBatches int
}

// step makes one step and returns the loss around the weights before it.
func (t *training) step(ctx context.Context, step uint64) (loss float64, err error) {
	if step%q == 0 || t.anchor == nil {
		return t.anchorStep(ctx, step)
	}
	return t.miniBatchStep(ctx, step)
}

// anchorStep follows the gradient of all rows, along several directions, and remembers it and where it was.
func (t *training) anchorStep(ctx context.Context, step uint64) (loss float64, err error) {
	seeds := make([]uint64, anchorDirections)
	for i := range seeds {
		seeds[i] = seedFor(seed, step, uint64(i))
	}
	losses, revision, err := t.evaluate(ctx, pairs(nil, seeds), &zeroth.DatasetBatch{Dataset: t.dataset})
	if err != nil {
		return 0, err
	}
	g := estimate(seeds, losses)
	if !g.isFinite() {
		return losses[0], nil
	}
	// By its revision: sent twice, it is the same snapshot.
	snapshot := &zeroth.CreateSnapshotRequest{Run: t.run, SnapshotId: snapshotID, Revision: &revision, Replace: true}
	if _, err := t.runs.CreateSnapshot(ctx, snapshot); err != nil {
		return 0, err
	}
	t.anchor = g
	return losses[0], t.update(ctx, step, g, eta1)
}

// miniBatchStep follows the gradient of a few rows, less what the same rows have at the snapshot, plus what all rows
// had there. Both are measured along the same direction, so that what is peculiar to these rows cancels.
func (t *training) miniBatchStep(ctx context.Context, step uint64) (loss float64, err error) {
	z := []uint64{seedFor(seed, step, 0)}
	snapshot := &zeroth.Anchor{At: &zeroth.Anchor_Snapshot{Snapshot: t.run + "/snapshots/" + snapshotID}}
	batch := &zeroth.DatasetBatch{
		Dataset:   t.dataset,
		Selection: &zeroth.DatasetBatch_Rows{Rows: &zeroth.RowIndices{Indices: batchRows(t.miniBatches)}},
	}
	t.miniBatches++
	losses, _, err := t.evaluate(ctx, append(pairs(nil, z), pairs(snapshot, z)...), batch)
	if err != nil {
		return 0, err
	}
	here, there := estimate(z, losses[:2]), estimate(z, losses[2:])
	correction := &zeroth.Shift{Seed: z[0], Scale: here[0].Scale - there[0].Scale}
	g := append(gradient{correction}, t.anchor...)
	if !g.isFinite() {
		return losses[0], nil
	}
	return losses[0], t.update(ctx, step, g, eta2)
}

// pairs are the points at + epsilon z and at - epsilon z, for the direction z of every seed. Nil stands for the head.
func pairs(at *zeroth.Anchor, seeds []uint64) (points []*zeroth.Point) {
	for _, seed := range seeds {
		for _, scale := range []float64{epsilon, -epsilon} {
			point := &zeroth.Point{Shifts: []*zeroth.Shift{{Seed: seed, Scale: scale}}}
			if at != nil {
				point.From = &zeroth.Point_Anchor{Anchor: at}
			}
			points = append(points, point)
		}
	}
	return points
}

// estimate is the mean of the projected gradients (f+ - f-) / (2 epsilon), from the losses at pairs.
func estimate(seeds []uint64, losses []float64) (g gradient) {
	for i, seed := range seeds {
		projected := (losses[2*i] - losses[2*i+1]) / (2 * epsilon)
		g = append(g, &zeroth.Shift{Seed: seed, Scale: projected / float64(len(seeds))})
	}
	return g
}

func (g gradient) isFinite() bool {
	return !slices.ContainsFunc(g, func(along *zeroth.Shift) bool {
		return math.IsNaN(along.Scale) || math.IsInf(along.Scale, 0)
	})
}

// update moves the weights against the gradient, once for each step however often it is sent.
func (t *training) update(ctx context.Context, step uint64, g gradient, rate float64) error {
	request := &zeroth.UpdateRequest{Run: t.run, RequestId: proto.String(fmt.Sprintf("mezo-svrg/%d", step+1))}
	for _, along := range g {
		request.Shifts = append(request.Shifts, &zeroth.Shift{Seed: along.Seed, Scale: 0 - rate*along.Scale})
	}
	_, err := t.oracle.Update(ctx, request)
	return err
}

// evaluate returns the mean loss of the batch at every point, and the revision that was the head.
func (t *training) evaluate(
	ctx context.Context, points []*zeroth.Point, batch *zeroth.DatasetBatch,
) (losses []float64, revision int64, err error) {
	source := &zeroth.Batch_Dataset{Dataset: batch}
	request := &zeroth.EvaluateRequest{Run: t.run, Points: points, Batch: &zeroth.Batch{Source: source}}
	answer, err := t.oracle.Evaluate(ctx, request)
	if err != nil {
		return nil, 0, err
	}
	for _, result := range answer.Results {
		losses = append(losses, result.Loss)
	}
	return losses, answer.Revision, nil
}

// printOutcome hashes the weights as they come, and measures the loss of all rows.
func (t *training) printOutcome(ctx context.Context) error {
	stream, err := t.runs.ReadWeights(ctx, &zeroth.ReadWeightsRequest{Run: t.run})
	if err != nil {
		return err
	}
	digest := sha256.New()
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		digest.Write(piece.Data)
	}
	head := []*zeroth.Point{{}}
	losses, revision, err := t.evaluate(ctx, head, &zeroth.DatasetBatch{Dataset: t.dataset})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(struct {
		Run           string  `json:"run"`
		Revision      int64   `json:"revision"`
		WeightsSHA256 string  `json:"weights_sha256"`
		Loss          float64 `json:"loss"`
	}{t.run, revision, hex.EncodeToString(digest.Sum(nil)), losses[0]})
}

// ---- The connection ----

// repeatable are the calls that may be carried out twice without harm: an evaluation changes nothing, a snapshot says its
// revision, and an update has a request id.
var repeatable = map[string]bool{
	zeroth.OracleService_Evaluate_FullMethodName:    true,
	zeroth.OracleService_Update_FullMethodName:      true,
	zeroth.RunService_CreateSnapshot_FullMethodName: true,
}

func dial(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"methodConfig": [{"name": [{}], "timeout": "60s"}]}`), // A deadline for every call.
		grpc.WithUnaryInterceptor(retry),
	)
}

// retry sends a repeatable call again after UNAVAILABLE, when nobody knows whether it arrived. The retryPolicy of a service
// config is not enough: it gives up where an answer has begun to arrive, and is lost then.
func retry(ctx context.Context, method string, request, reply any,
	connection *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		err := call(ctx, method, request, reply, connection, options...)
		if status.Code(err) != codes.Unavailable || !repeatable[method] || wait > 10*time.Second {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// loadModel returns the model's name. Somebody may have loaded it before, and then the error names it.
func loadModel(ctx context.Context, models zeroth.ModelServiceClient, path string) (string, error) {
	response, err := models.LoadModel(ctx, &zeroth.LoadModelRequest{Path: path})
	if status.Code(err) == codes.AlreadyExists {
		for _, detail := range status.Convert(err).Details() {
			if resource, ok := detail.(*errdetails.ResourceInfo); ok {
				return resource.ResourceName, nil
			}
		}
	}
	return response.GetModel().GetName(), err
}

// upload stores the data as a dataset and returns its name. A stream that ends without a commit stores nothing.
func upload(ctx context.Context, datasets zeroth.DatasetServiceClient) (string, error) {
	stream, err := datasets.CreateDataset(ctx)
	if err != nil {
		return "", err
	}
	x, labels := data()
	header := &zeroth.DatasetHeader{Tensors: []*zeroth.TensorSpec{
		{Name: "x", DataType: zeroth.DataType_DATA_TYPE_FLOAT32, Shape: []int64{rows, features}},
		{Name: "labels", DataType: zeroth.DataType_DATA_TYPE_INT64, Shape: []int64{rows}},
	}}
	for _, part := range []*zeroth.CreateDatasetRequest{
		{Part: &zeroth.CreateDatasetRequest_Header{Header: header}},
		{Part: &zeroth.CreateDatasetRequest_Chunk{Chunk: &zeroth.DatasetChunk{Tensor: "x", Data: x}}},
		{Part: &zeroth.CreateDatasetRequest_Chunk{Chunk: &zeroth.DatasetChunk{Tensor: "labels", Data: labels}}},
		{Part: &zeroth.CreateDatasetRequest_Commit{Commit: &zeroth.DatasetCommit{}}},
	} {
		// An error here says only that the stream is over; CloseAndRecv says why.
		if stream.Send(part) != nil {
			break
		}
	}
	response, err := stream.CloseAndRecv()
	return response.GetDataset().GetName(), err
}

// explain prints what the server had to say of an error, with google.rpc's details: a reason, the fields at fault.
func explain(err error, address string) {
	refusal := status.Convert(err)
	fmt.Fprintf(os.Stderr, "%s: %s\n", refusal.Code(), refusal.Message())
	if refusal.Code() == codes.Unavailable {
		fmt.Fprintln(os.Stderr, "  expected a server that is ready at HOST:PORT, got", address)
	}
	for _, detail := range refusal.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			fmt.Fprintln(os.Stderr, "  reason:", detail.Reason, detail.Metadata)
		case *errdetails.BadRequest:
			for _, violation := range detail.FieldViolations {
				fmt.Fprintf(os.Stderr, "  field %s: %s\n", violation.Field, violation.Description)
			}
		case *errdetails.ResourceInfo:
			fmt.Fprintln(os.Stderr, "  resource:", detail.ResourceName)
		}
	}
}

// ---- The data, and what they and all directions are drawn from ----

// data are rows of numbers from -1 to 1, labelled by the place of the largest of the first three, little-endian.
func data() (x, labels []byte) {
	for row := range uint64(rows) {
		var values [features]float32
		for column := range values {
			values[column] = float32(seedFor(dataSeed, row, uint64(column))>>40)/(1<<23) - 1
			x = binary.LittleEndian.AppendUint32(x, math.Float32bits(values[column]))
		}
		label := slices.Index(values[:], slices.Max(values[:classes]))
		labels = binary.LittleEndian.AppendUint64(labels, uint64(label))
	}
	return x, labels
}

// batchRows are the rows of mini-batch i: every epoch is a shuffle of all rows, cut into batches.
func batchRows(i int) []int64 {
	const batchesPerEpoch = rows / batchSize
	order := shuffle(seedFor(batchSeed, uint64(i/batchesPerEpoch), 0))
	start := i % batchesPerEpoch * batchSize
	return order[start : start+batchSize]
}

// shuffle draws from xorshift128 (Marsaglia 2003).
func shuffle(seed uint64) []int64 {
	a, b := seedFor(seed, 0, 0), seedFor(seed, 0, 1)
	x, y, z, w := uint32(a), uint32(a>>32), uint32(b), uint32(b>>32)
	order := make([]int64, rows)
	for i := range order {
		order[i] = int64(i)
	}
	for last := rows - 1; last > 0; last-- {
		t := x ^ (x << 11)
		x, y, z = y, z, w
		w ^= (w >> 19) ^ t ^ (t >> 8)
		other := int(float64(w) / (1 << 32) * float64(last+1))
		order[last], order[other] = order[other], order[last]
	}
	return order
}

// seedFor is the seed of one direction of one step (splitmix64).
func seedFor(seed, step, direction uint64) uint64 {
	return mix(mix(seed) + ((step<<20|direction)+1)*0x9e3779b97f4a7c15)
}

func mix(v uint64) uint64 {
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9
	v = (v ^ (v >> 27)) * 0x94d049bb133111eb
	return v ^ (v >> 31)
}
