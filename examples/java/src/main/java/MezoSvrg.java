import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.ResourceInfo;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.protobuf.StatusProto;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import zeroth.v1.Common.Anchor;
import zeroth.v1.Common.Batch;
import zeroth.v1.Common.DataType;
import zeroth.v1.Common.DatasetBatch;
import zeroth.v1.Common.Objective;
import zeroth.v1.Common.Point;
import zeroth.v1.Common.RowIndices;
import zeroth.v1.Common.Shift;
import zeroth.v1.Common.TensorSpec;
import zeroth.v1.DatasetServiceGrpc;
import zeroth.v1.DatasetServiceOuterClass.CreateDatasetRequest;
import zeroth.v1.DatasetServiceOuterClass.DatasetChunk;
import zeroth.v1.DatasetServiceOuterClass.DatasetCommit;
import zeroth.v1.DatasetServiceOuterClass.DatasetHeader;
import zeroth.v1.ModelServiceGrpc;
import zeroth.v1.ModelServiceOuterClass.LoadModelRequest;
import zeroth.v1.OracleServiceGrpc;
import zeroth.v1.OracleServiceOuterClass.EvaluateRequest;
import zeroth.v1.OracleServiceOuterClass.EvaluateResponse;
import zeroth.v1.OracleServiceOuterClass.PointResult;
import zeroth.v1.OracleServiceOuterClass.UpdateRequest;
import zeroth.v1.RunServiceGrpc;
import zeroth.v1.RunServiceOuterClass.CreateRunRequest;
import zeroth.v1.RunServiceOuterClass.CreateSnapshotRequest;
import zeroth.v1.RunServiceOuterClass.ReadWeightsRequest;

/**
 * Fine-tunes a model on a Zeroth server by MeZO-SVRG, without gradients: {@code java -jar mezo-svrg.jar [ADDRESS [RUN_ID]]}.
 *
 * <p>The server has the weights. The program says where to measure losses, and which way to go then; a direction is a
 * seed, so that a step is some hundred bytes. docs/clients.md specifies the problem, and has it in other languages.
 */
public final class MezoSvrg {
  static final int ROWS = 96;
  static final int FEATURES = 4;
  static final int CLASSES = 3;
  static final long DATA_SEED = 11;
  static final int BATCH_SIZE = 16;
  static final long BATCH_SEED = 2;

  static final int STEPS = 200;
  /** Steps from one anchor to the next. */
  static final int Q = 5;
  static final double ETA1 = 0.1;
  static final double ETA2 = 0.05;
  static final double EPSILON = 1e-3;
  static final int ANCHOR_DIRECTIONS = 4;
  static final long SEED = 1;
  static final String SNAPSHOT = "mezo-svrg";

  /** A deadline for every call. */
  static final Map<String, ?> SERVICE_CONFIG =
      Map.of("methodConfig", List.of(Map.of("name", List.of(Map.of()), "timeout", "60s")));

  public static void main(String[] arguments) throws Exception {
    String address = arguments.length > 0 ? arguments[0] : "127.0.0.1:50051";
    String runId = arguments.length > 1 ? arguments[1] : "";
    if (!isHostAndPort(address)) {
      System.err.printf("address: expected \"host:port\", got \"%s\"%n", address);
      System.exit(1);
    }
    ManagedChannel channel =
        Grpc.newChannelBuilder(address, InsecureChannelCredentials.create())
            .defaultServiceConfig(SERVICE_CONFIG)
            .build();
    int exitCode = 0;
    try {
      String model = loadModel(channel, "torch-mlp.onnx");
      String dataset = upload(channel);
      MezoSvrg training = new MezoSvrg(channel, createRun(channel, model, runId), dataset);
      for (int step = 0; step < STEPS; step++) {
        double loss = training.step(step);
        if ((step + 1) % 20 == 0) System.err.printf("step %d: loss %.4f%n", step + 1, loss);
      }
      System.out.println(training.outcome());
    } catch (StatusException refusal) {
      explain(refusal, address);
      exitCode = 1;
    }
    channel.shutdownNow();
    System.exit(exitCode);
  }

  /** No to what grpc-java has a stack trace for: a URL; and to what it would take port 80 for. */
  private static boolean isHostAndPort(String address) {
    Matcher found = Pattern.compile("(\\[[^\\[\\]/\\s]+\\]|[^\\[\\]:/\\s]+):(\\d{1,5})").matcher(address);
    return found.matches() && Integer.parseInt(found.group(2)) > 0 && Integer.parseInt(found.group(2)) < 1 << 16;
  }

  // ---- The method: MeZO-SVRG (arXiv 2404.08080, algorithm 1) ----
  // A gradient is a list of shifts: a direction is its seed, and the scale is the slope along it.

  private final OracleServiceGrpc.OracleServiceBlockingV2Stub oracle;
  private final RunServiceGrpc.RunServiceBlockingV2Stub runs;
  private final String run;
  private final String dataset;

  /** g: the gradient of all rows, at the snapshot. Empty before there is one. */
  private List<Shift> anchorGradient = List.of();

  private int miniBatches = 0;

  MezoSvrg(ManagedChannel channel, String run, String dataset) {
    this.oracle = OracleServiceGrpc.newBlockingV2Stub(channel);
    this.runs = RunServiceGrpc.newBlockingV2Stub(channel);
    this.run = run;
    this.dataset = dataset;
  }

  /** Makes one step and returns the loss around the weights before it. */
  double step(int step) throws Exception {
    return step % Q == 0 || anchorGradient.isEmpty() ? anchorStep(step) : miniBatchStep(step);
  }

  /** Follows the gradient of all rows, along several directions, and remembers it and where it was. */
  private double anchorStep(int step) throws Exception {
    long[] seeds = IntStream.range(0, ANCHOR_DIRECTIONS).mapToLong(i -> seedFor(SEED, step, i)).toArray();
    EvaluateResponse answer = evaluate(pairs(Anchor.getDefaultInstance(), seeds), DatasetBatch.newBuilder());
    List<Shift> gradient = estimate(seeds, answer.getResultsList());
    if (isFinite(gradient)) {
      moveSnapshot(answer.getRevision());
      anchorGradient = gradient;
      update(step, gradient, ETA1);
    }
    return answer.getResults(0).getLoss();
  }

  /**
   * Follows the gradient of a few rows, less what the same rows have at the snapshot, plus what all rows had there. Both are
   * measured along the same direction, so that what is peculiar to these rows cancels.
   */
  private double miniBatchStep(int step) throws Exception {
    long[] z = {seedFor(SEED, step, 0)};
    List<Point> points = new ArrayList<>(pairs(Anchor.getDefaultInstance(), z));
    points.addAll(pairs(Anchor.newBuilder().setSnapshot(run + "/snapshots/" + SNAPSHOT).build(), z));
    RowIndices rows = RowIndices.newBuilder().addAllIndices(batchRows(miniBatches++)).build();
    EvaluateResponse answer = evaluate(points, DatasetBatch.newBuilder().setRows(rows));

    List<Shift> here = estimate(z, answer.getResultsList().subList(0, 2));
    List<Shift> there = estimate(z, answer.getResultsList().subList(2, 4));
    List<Shift> gradient = new ArrayList<>();
    gradient.add(shift(z[0], here.get(0).getScale() - there.get(0).getScale()));
    gradient.addAll(anchorGradient);
    if (isFinite(gradient)) update(step, gradient, ETA2);
    return answer.getResults(0).getLoss();
  }

  /** The points at + epsilon z and at - epsilon z, for the direction z of every seed. An empty anchor is the head. */
  private static List<Point> pairs(Anchor at, long[] seeds) {
    return LongStream.of(seeds).boxed()
        .flatMap(seed -> DoubleStream.of(EPSILON, -EPSILON).mapToObj(scale -> shift(seed, scale)))
        .map(shift -> Point.newBuilder().setAnchor(at).addShifts(shift).build())
        .toList();
  }

  /** The mean of the projected gradients (f+ - f-) / (2 epsilon), from the losses at pairs. */
  private static List<Shift> estimate(long[] seeds, List<PointResult> at) {
    List<Shift> gradient = new ArrayList<>();
    for (int i = 0; i < seeds.length; i++) {
      double projected = (at.get(2 * i).getLoss() - at.get(2 * i + 1).getLoss()) / (2 * EPSILON);
      gradient.add(shift(seeds[i], projected / seeds.length));
    }
    return gradient;
  }

  private static boolean isFinite(List<Shift> gradient) {
    return gradient.stream().allMatch(along -> Double.isFinite(along.getScale()));
  }

  private static Shift shift(long seed, double scale) {
    return Shift.newBuilder().setSeed(seed).setScale(scale).build();
  }

  // ---- The calls of a step: each may be carried out twice without harm ----

  /** The mean loss of the batch at every point. */
  private EvaluateResponse evaluate(List<Point> points, DatasetBatch.Builder batch) throws Exception {
    Batch rows = Batch.newBuilder().setDataset(batch.setDataset(dataset)).build();
    EvaluateRequest request = EvaluateRequest.newBuilder().setRun(run).addAllPoints(points).setBatch(rows).build();
    return retrying(() -> oracle.evaluate(request));
  }

  /** Moves the weights against the gradient, once for each step however often it is sent: it has a request id. */
  private void update(int step, List<Shift> gradient, double rate) throws Exception {
    UpdateRequest.Builder request = UpdateRequest.newBuilder().setRun(run).setRequestId("mezo-svrg/" + (step + 1));
    for (Shift along : gradient) request.addShifts(shift(along.getSeed(), 0 - rate * along.getScale()));
    retrying(() -> oracle.update(request.build()));
  }

  /** Says the revision, so that it is the same snapshot if it is sent twice. */
  private void moveSnapshot(long revision) throws Exception {
    CreateSnapshotRequest request =
        CreateSnapshotRequest.newBuilder()
            .setRun(run).setSnapshotId(SNAPSHOT).setRevision(revision).setReplace(true)
            .build();
    retrying(() -> runs.createSnapshot(request));
  }

  /**
   * Calls again after UNAVAILABLE, when nobody knows whether the call arrived. The retryPolicy of a service config is not
   * enough: it gives up where an answer has begun to arrive, and is lost then.
   */
  private static <T> T retrying(Callable<T> call) throws Exception {
    for (long waitMs = 50; ; waitMs *= 2) {
      try {
        return call.call();
      } catch (StatusException failure) {
        if (failure.getStatus().getCode() != Status.Code.UNAVAILABLE || waitMs > 10_000) throw failure;
        Thread.sleep(waitMs);
      }
    }
  }

  // ---- Before and after ----

  /** The model's name. Somebody may have loaded it before, and then the error names it. */
  private static String loadModel(ManagedChannel channel, String path) throws Exception {
    try {
      LoadModelRequest request = LoadModelRequest.newBuilder().setPath(path).build();
      return ModelServiceGrpc.newBlockingV2Stub(channel).loadModel(request).getModel().getName();
    } catch (StatusException failure) {
      if (failure.getStatus().getCode() != Status.Code.ALREADY_EXISTS) throw failure;
      for (Any detail : StatusProto.fromThrowable(failure).getDetailsList())
        if (detail.is(ResourceInfo.class)) return detail.unpack(ResourceInfo.class).getResourceName();
      throw failure;
    }
  }

  /** Stores the data as a dataset and returns its name. A stream that ends without a commit stores nothing. */
  private static String upload(ManagedChannel channel) throws Exception {
    ByteBuffer x = ByteBuffer.allocate(ROWS * FEATURES * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    ByteBuffer labels = ByteBuffer.allocate(ROWS * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    fill(x, labels);
    DatasetHeader header =
        DatasetHeader.newBuilder()
            .addTensors(spec("x", DataType.DATA_TYPE_FLOAT32).addShape(ROWS).addShape(FEATURES))
            .addTensors(spec("labels", DataType.DATA_TYPE_INT64).addShape(ROWS))
            .build();
    var stream = DatasetServiceGrpc.newBlockingV2Stub(channel).createDataset();
    stream.write(CreateDatasetRequest.newBuilder().setHeader(header).build());
    stream.write(CreateDatasetRequest.newBuilder().setChunk(chunk("x", x)).build());
    stream.write(CreateDatasetRequest.newBuilder().setChunk(chunk("labels", labels)).build());
    stream.write(CreateDatasetRequest.newBuilder().setCommit(DatasetCommit.getDefaultInstance()).build());
    stream.halfClose();
    return stream.read().getDataset().getName();
  }

  private static TensorSpec.Builder spec(String name, DataType type) {
    return TensorSpec.newBuilder().setName(name).setDataType(type);
  }

  private static DatasetChunk chunk(String tensor, ByteBuffer data) {
    return DatasetChunk.newBuilder().setTensor(tensor).setData(ByteString.copyFrom(data.flip())).build();
  }

  private static String createRun(ManagedChannel channel, String model, String runId) throws StatusException {
    Objective objective = Objective.newBuilder().setName("cross_entropy").build();
    CreateRunRequest request =
        CreateRunRequest.newBuilder().setModel(model).setRunId(runId).setObjective(objective).build();
    return RunServiceGrpc.newBlockingV2Stub(channel).createRun(request).getRun().getName();
  }

  /** Hashes the weights as they come, and measures the loss of all rows. */
  private String outcome() throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    var pieces = runs.readWeights(ReadWeightsRequest.newBuilder().setRun(run).build());
    while (pieces.hasNext()) digest.update(pieces.read().getData().asReadOnlyByteBuffer());
    EvaluateResponse answer = evaluate(List.of(Point.getDefaultInstance()), DatasetBatch.newBuilder());
    return "{\"run\": \"%s\", \"revision\": %d, \"weights_sha256\": \"%s\", \"loss\": %s}".formatted(
        run, answer.getRevision(), HexFormat.of().formatHex(digest.digest()), answer.getResults(0).getLoss());
  }

  /** Prints what the server had to say of an error, with google.rpc's details: a reason, the fields at fault. */
  private static void explain(StatusException refusal, String address) throws Exception {
    System.err.println(refusal.getMessage());
    if (refusal.getStatus().getCode() == Status.Code.UNAVAILABLE)
      System.err.println("  expected a server that is ready at HOST:PORT, got " + address);
    if (refusal.getCause() != null) System.err.println("  cause: " + refusal.getCause().getMessage());
    for (Any detail : StatusProto.fromThrowable(refusal).getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        ErrorInfo info = detail.unpack(ErrorInfo.class);
        System.err.println("  reason: " + info.getReason() + " " + info.getMetadataMap());
      } else if (detail.is(BadRequest.class)) {
        for (BadRequest.FieldViolation violation : detail.unpack(BadRequest.class).getFieldViolationsList())
          System.err.println("  field " + violation.getField() + ": " + violation.getDescription());
      } else if (detail.is(ResourceInfo.class)) {
        System.err.println("  resource: " + detail.unpack(ResourceInfo.class).getResourceName());
      }
    }
  }

  // ---- The data, and what they and all directions are drawn from ----

  /** Rows of numbers from -1 to 1, labelled by the place of the largest of the first three. */
  private static void fill(ByteBuffer x, ByteBuffer labels) {
    for (int row = 0; row < ROWS; row++) {
      float[] values = new float[FEATURES];
      int label = 0;
      for (int column = 0; column < FEATURES; column++) {
        values[column] = (seedFor(DATA_SEED, row, column) >>> 40) / 0x1p23f - 1;
        if (column < CLASSES && values[column] > values[label]) label = column;
        x.putFloat(values[column]);
      }
      labels.putLong(label);
    }
  }

  /** The rows of mini-batch i: every epoch is a shuffle of all rows, cut into batches. */
  private static List<Long> batchRows(int i) {
    int batchesPerEpoch = ROWS / BATCH_SIZE;
    long[] order = shuffle(seedFor(BATCH_SEED, i / batchesPerEpoch, 0));
    return LongStream.of(order).skip(i % batchesPerEpoch * BATCH_SIZE).limit(BATCH_SIZE).boxed().toList();
  }

  /** Draws from xorshift128 (Marsaglia 2003). */
  private static long[] shuffle(long seed) {
    long a = seedFor(seed, 0, 0);
    long b = seedFor(seed, 0, 1);
    int x = (int) a, y = (int) (a >>> 32), z = (int) b, w = (int) (b >>> 32);
    long[] order = LongStream.range(0, ROWS).toArray();
    for (int last = ROWS - 1; last > 0; last--) {
      int t = x ^ (x << 11);
      x = y;
      y = z;
      z = w;
      w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
      int other = (int) (Integer.toUnsignedLong(w) / 0x1p32 * (last + 1));
      long moved = order[last];
      order[last] = order[other];
      order[other] = moved;
    }
    return order;
  }

  /** The seed of one direction of one step (splitmix64). */
  private static long seedFor(long seed, long step, long direction) {
    return mix(mix(seed) + ((step << 20 | direction) + 1) * 0x9e3779b97f4a7c15L);
  }

  private static long mix(long v) {
    v = (v ^ (v >>> 30)) * 0xbf58476d1ce4e5b9L;
    v = (v ^ (v >>> 27)) * 0x94d049bb133111ebL;
    return v ^ (v >>> 31);
  }
}
