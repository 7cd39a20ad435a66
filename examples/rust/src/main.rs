//! Fine-tunes a model on a Zeroth server by MeZO-SVRG, without gradients: `mezo-svrg [ADDRESS [RUN_ID]]`.
//!
//! The server has the weights. The program says where to measure losses, and which way to go then; a direction is a seed, so
//! that a step is some hundred bytes. docs/clients.md specifies the problem, and has it in other languages.

use std::array;
use std::error::Error;
use std::iter;
use std::num::NonZeroU16;
use std::process::ExitCode;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use zeroth::dataset_service_client::DatasetServiceClient;
use zeroth::model_service_client::ModelServiceClient;
use zeroth::oracle_service_client::OracleServiceClient;
use zeroth::run_service_client::RunServiceClient;
use zeroth::*;

mod zeroth {
    #![allow(clippy::all)]
    tonic::include_proto!("zeroth.v1");
}

const ROWS: usize = 96;
const FEATURES: usize = 4;
const CLASSES: usize = 3;
const DATA_SEED: u64 = 11;
const BATCH_SIZE: usize = 16;
const BATCH_SEED: u64 = 2;

const STEPS: u64 = 200;
/// Steps from one anchor to the next.
const Q: u64 = 5;
const ETA1: f64 = 0.1;
const ETA2: f64 = 0.05;
const EPSILON: f64 = 1e-3;
const ANCHOR_DIRECTIONS: usize = 4;
const SEED: u64 = 1;
const SNAPSHOT: &str = "mezo-svrg";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:50051".into());
    let run_id = arguments.next().unwrap_or_default();
    if !is_host_and_port(&address) {
        eprintln!("address: expected \"host:port\", got {address:?}");
        return ExitCode::FAILURE;
    }
    match optimize(&address, run_id).await {
        Ok(outcome) => {
            println!("{outcome}");
            ExitCode::SUCCESS
        }
        Err(status) => {
            explain(&status, &address);
            ExitCode::FAILURE
        }
    }
}

/// No to a URL, of which tonic would say "invalid uri character", and to what it would take port 80 for.
fn is_host_and_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else {
        return false;
    };
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = bare.is_some_and(|address| !address.is_empty())
        || !host.is_empty() && !host.contains([':', '/', ' ', '[', ']']);
    is_host && port.parse::<NonZeroU16>().is_ok()
}

/// Uploads the data, creates a run, trains it, and says where it has come to.
async fn optimize(address: &str, run_id: String) -> Result<String, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| Status::from_error(error.into()))?;
    let channel = endpoint.timeout(Duration::from_secs(60)).connect_lazy();

    let model = load_model(&channel, "torch-mlp.onnx").await?;
    let dataset = upload(&channel).await?;
    let mut training = Training {
        run: create_run(&channel, model, run_id).await?,
        oracle: OracleServiceClient::new(channel.clone()),
        runs: RunServiceClient::new(channel),
        dataset,
        anchor_gradient: vec![],
        mini_batches: 0,
    };
    for step in 0..STEPS {
        let loss = training.step(step).await?;
        if (step + 1) % 20 == 0 {
            eprintln!("step {}: loss {loss:.4}", step + 1);
        }
    }
    training.outcome().await
}

// ---- The method: MeZO-SVRG (arXiv 2404.08080, algorithm 1) ----
// A gradient is a list of shifts: a direction is its seed, and the scale is the slope along it.

struct Training {
    oracle: OracleServiceClient<Channel>,
    runs: RunServiceClient<Channel>,
    run: String,
    dataset: String,
    /// g: of all rows, at the snapshot. Empty before there is one.
    anchor_gradient: Vec<Shift>,
    mini_batches: usize,
}

impl Training {
    /// Makes one step and returns the loss around the weights before it.
    async fn step(&mut self, step: u64) -> Result<f64, Status> {
        if step.is_multiple_of(Q) || self.anchor_gradient.is_empty() {
            self.anchor_step(step).await
        } else {
            self.mini_batch_step(step).await
        }
    }

    /// Follows the gradient of all rows, along several directions, and remembers it and where it was.
    async fn anchor_step(&mut self, step: u64) -> Result<f64, Status> {
        let seeds: [u64; ANCHOR_DIRECTIONS] = array::from_fn(|i| seed_for(SEED, step, i as u64));
        let (losses, revision) = self.evaluate(pairs(None, &seeds), None).await?;
        let gradient = estimate(&seeds, &losses);
        if is_finite(&gradient) {
            self.move_snapshot(revision).await?;
            self.update(step, &gradient, ETA1).await?;
            self.anchor_gradient = gradient;
        }
        Ok(losses[0])
    }

    /// Follows the gradient of a few rows, less what the same rows have at the snapshot, plus what all rows had there. Both
    /// are measured along the same direction, so that what is peculiar to these rows cancels.
    async fn mini_batch_step(&mut self, step: u64) -> Result<f64, Status> {
        let z = [seed_for(SEED, step, 0)];
        let snapshot = format!("{}/snapshots/{SNAPSHOT}", self.run);
        let points = [
            pairs(None, &z),
            pairs(Some(anchor::At::Snapshot(snapshot)), &z),
        ]
        .concat();
        let rows = batch_rows(self.mini_batches);
        self.mini_batches += 1;
        let (losses, _) = self.evaluate(points, Some(rows)).await?;

        let (here, there) = (estimate(&z, &losses[..2]), estimate(&z, &losses[2..]));
        let correction = Shift {
            seed: z[0],
            scale: here[0].scale - there[0].scale,
        };
        let gradient = [&[correction], &self.anchor_gradient[..]].concat();
        if is_finite(&gradient) {
            self.update(step, &gradient, ETA2).await?;
        }
        Ok(losses[0])
    }
}

/// The points at + epsilon z and at - epsilon z, for the direction z of every seed. None is the head.
fn pairs(at: Option<anchor::At>, seeds: &[u64]) -> Vec<Point> {
    let point = |seed, scale| Point {
        from: Some(point::From::Anchor(Anchor { at: at.clone() })),
        shifts: vec![Shift { seed, scale }],
    };
    seeds
        .iter()
        .flat_map(|&seed| [point(seed, EPSILON), point(seed, -EPSILON)])
        .collect()
}

/// The mean of the projected gradients (f+ - f-) / (2 epsilon), from the losses at pairs.
fn estimate(seeds: &[u64], losses: &[f64]) -> Vec<Shift> {
    let projected = losses.chunks(2).map(|at| (at[0] - at[1]) / (2.0 * EPSILON));
    seeds
        .iter()
        .zip(projected)
        .map(|(&seed, c)| Shift {
            seed,
            scale: c / seeds.len() as f64,
        })
        .collect()
}

fn is_finite(gradient: &[Shift]) -> bool {
    gradient.iter().all(|along| along.scale.is_finite())
}

// ---- The calls of a step: each may be carried out twice without harm ----

impl Training {
    /// The mean loss of these rows, or of all, at every point, and the revision that was the head.
    async fn evaluate(
        &self,
        points: Vec<Point>,
        rows: Option<Vec<i64>>,
    ) -> Result<(Vec<f64>, i64), Status> {
        let selection = rows.map(|indices| dataset_batch::Selection::Rows(RowIndices { indices }));
        let batch = DatasetBatch {
            dataset: self.dataset.clone(),
            selection,
        };
        let request = EvaluateRequest {
            run: self.run.clone(),
            points,
            batch: Some(Batch {
                source: Some(batch::Source::Dataset(batch)),
            }),
            ..Default::default()
        };
        let answer = retrying(async || self.oracle.clone().evaluate(request.clone()).await).await?;
        Ok((
            answer.results.iter().map(|result| result.loss).collect(),
            answer.revision,
        ))
    }

    /// Moves the weights against the gradient, once for each step however often it is sent: it has a request id.
    async fn update(&self, step: u64, gradient: &[Shift], rate: f64) -> Result<(), Status> {
        let request = UpdateRequest {
            run: self.run.clone(),
            shifts: gradient
                .iter()
                .map(|along| Shift {
                    seed: along.seed,
                    scale: 0.0 - rate * along.scale,
                })
                .collect(),
            request_id: Some(format!("mezo-svrg/{}", step + 1)),
            ..Default::default()
        };
        retrying(async || self.oracle.clone().update(request.clone()).await).await?;
        Ok(())
    }

    /// Says the revision, so that it is the same snapshot if it is sent twice.
    async fn move_snapshot(&self, revision: i64) -> Result<(), Status> {
        let request = CreateSnapshotRequest {
            run: self.run.clone(),
            snapshot_id: SNAPSHOT.into(),
            revision: Some(revision),
            replace: true,
        };
        retrying(async || self.runs.clone().create_snapshot(request.clone()).await).await?;
        Ok(())
    }

    /// Hashes the weights as they come, and measures the loss of all rows.
    async fn outcome(&mut self) -> Result<String, Status> {
        let request = ReadWeightsRequest {
            run: self.run.clone(),
            ..Default::default()
        };
        let mut pieces = self.runs.read_weights(request).await?.into_inner();
        let mut digest = Sha256::new();
        while let Some(piece) = pieces.message().await? {
            digest.update(&piece.data);
        }
        let sha256: String = digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let (losses, revision) = self.evaluate(vec![Point::default()], None).await?;
        let (run, loss) = (&self.run, losses[0]);
        Ok(format!(
            r#"{{"run": "{run}", "revision": {revision}, "weights_sha256": "{sha256}", "loss": {loss}}}"#
        ))
    }
}

/// Calls again when nobody knows whether the call arrived.
async fn retrying<T>(call: impl AsyncFn() -> Result<Response<T>, Status>) -> Result<T, Status> {
    let mut wait = Duration::from_millis(50);
    loop {
        match call().await {
            Err(status) if is_lost(&status) && wait.as_secs() < 10 => {
                tokio::time::sleep(wait).await
            }
            result => return result.map(Response::into_inner),
        }
        wait *= 2;
    }
}

/// What other clients call UNAVAILABLE, tonic calls so only before a connection is there; an answer that was lost with its
/// connection is Unknown. Errors that the server sent have no causes.
fn is_lost(status: &Status) -> bool {
    let is_late = causes(status).any(|cause| cause.is::<tonic::TimeoutExpired>());
    status.code() == Code::Unavailable || causes(status).count() > 0 && !is_late
}

fn causes(status: &Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    iter::successors(status.source(), |&cause| cause.source())
}

// ---- Before and after ----

/// The model's name. Somebody may have loaded it before, and then the error names it.
async fn load_model(channel: &Channel, path: &str) -> Result<String, Status> {
    let request = LoadModelRequest {
        path: path.into(),
        ..Default::default()
    };
    match ModelServiceClient::new(channel.clone())
        .load_model(request)
        .await
    {
        Ok(response) => Ok(response.into_inner().model.unwrap_or_default().name),
        Err(status) => match status.get_details_resource_info() {
            Some(loaded) if status.code() == Code::AlreadyExists => Ok(loaded.resource_name),
            _ => Err(status),
        },
    }
}

/// Stores the data as a dataset and returns its name. A stream that ends without a commit stores nothing.
async fn upload(channel: &Channel) -> Result<String, Status> {
    use create_dataset_request::Part;
    let (x, labels) = data();
    let spec = |name: &str, data_type: DataType, shape: &[usize]| TensorSpec {
        name: name.into(),
        data_type: data_type.into(),
        shape: shape.iter().map(|&size| size as i64).collect(),
    };
    let tensors = vec![
        spec("x", DataType::Float32, &[ROWS, FEATURES]),
        spec("labels", DataType::Int64, &[ROWS]),
    ];
    let parts = [
        Part::Header(DatasetHeader { tensors }),
        Part::Chunk(DatasetChunk {
            tensor: "x".into(),
            data: x,
        }),
        Part::Chunk(DatasetChunk {
            tensor: "labels".into(),
            data: labels,
        }),
        Part::Commit(DatasetCommit {}),
    ];
    let requests = tokio_stream::iter(parts.map(|part| CreateDatasetRequest { part: Some(part) }));
    let response = DatasetServiceClient::new(channel.clone())
        .create_dataset(requests)
        .await?;
    Ok(response.into_inner().dataset.unwrap_or_default().name)
}

/// A run of all weights of the model, with an id of the server's choice where this one is empty.
async fn create_run(channel: &Channel, model: String, run_id: String) -> Result<String, Status> {
    let objective = Objective {
        name: "cross_entropy".into(),
        ..Default::default()
    };
    let request = CreateRunRequest {
        model,
        run_id,
        objective: Some(objective),
        ..Default::default()
    };
    let response = RunServiceClient::new(channel.clone())
        .create_run(request)
        .await?;
    Ok(response.into_inner().run.unwrap_or_default().name)
}

/// Prints what the server had to say of an error, with google.rpc's details: a reason, the fields at fault.
fn explain(status: &Status, address: &str) {
    eprintln!("{:?}: {}", status.code(), status.message());
    if status.code() == Code::Unavailable {
        eprintln!("  expected a server that is ready at HOST:PORT, got {address}");
    }
    if let Some(cause) = causes(status).last() {
        eprintln!("  cause: {cause}");
    }
    let details = status.get_error_details();
    if let Some(info) = details.error_info() {
        eprintln!("  reason: {} {:?}", info.reason, info.metadata);
    }
    for violation in details
        .bad_request()
        .iter()
        .flat_map(|request| &request.field_violations)
    {
        eprintln!("  field {}: {}", violation.field, violation.description);
    }
    if let Some(resource) = details.resource_info() {
        eprintln!("  resource: {}", resource.resource_name);
    }
}

// ---- The data, and what they and all directions are drawn from ----

/// Rows of numbers from -1 to 1, labelled by the place of the largest of the first three, little-endian.
fn data() -> (Vec<u8>, Vec<u8>) {
    let (mut x, mut labels) = (Vec::new(), Vec::new());
    for row in 0..ROWS {
        let values: [f32; FEATURES] = array::from_fn(|column| {
            (seed_for(DATA_SEED, row as u64, column as u64) >> 40) as f32 / (1 << 23) as f32 - 1.0
        });
        let label = (0..CLASSES).reduce(|best, class| {
            if values[class] > values[best] {
                class
            } else {
                best
            }
        });
        x.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        labels.extend((label.unwrap_or(0) as i64).to_le_bytes());
    }
    (x, labels)
}

/// The rows of mini-batch i: every epoch is a shuffle of all rows, cut into batches.
fn batch_rows(i: usize) -> Vec<i64> {
    let batches_per_epoch = ROWS / BATCH_SIZE;
    let start = i % batches_per_epoch * BATCH_SIZE;
    shuffle(seed_for(BATCH_SEED, (i / batches_per_epoch) as u64, 0))[start..start + BATCH_SIZE]
        .to_vec()
}

/// Draws from xorshift128 (Marsaglia 2003).
fn shuffle(seed: u64) -> Vec<i64> {
    let (a, b) = (seed_for(seed, 0, 0), seed_for(seed, 0, 1));
    let (mut x, mut y, mut z, mut w) = (a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32);
    let mut order: Vec<i64> = (0..ROWS as i64).collect();
    for last in (1..ROWS).rev() {
        let t = x ^ (x << 11);
        (x, y, z) = (y, z, w);
        w = w ^ (w >> 19) ^ t ^ (t >> 8);
        order.swap(
            last,
            (w as f64 / 2f64.powi(32) * (last + 1) as f64) as usize,
        );
    }
    order
}

/// The seed of one direction of one step (splitmix64).
fn seed_for(seed: u64, step: u64, direction: u64) -> u64 {
    mix(mix(seed).wrapping_add(((step << 20 | direction) + 1).wrapping_mul(0x9e3779b97f4a7c15)))
}

fn mix(v: u64) -> u64 {
    let v = (v ^ (v >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
    let v = (v ^ (v >> 27)).wrapping_mul(0x94d049bb133111eb);
    v ^ (v >> 31)
}
