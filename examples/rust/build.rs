//! Messages and clients of proto/zeroth/v1.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = tonic_prost_build::Config::new();
    config.protoc_executable(protoc_bin_vendored::protoc_bin_path()?);
    let services = ["model", "dataset", "run", "oracle"]
        .map(|name| format!("../../proto/zeroth/v1/{name}_service.proto"));
    tonic_prost_build::configure()
        .build_server(false)
        .extern_path(".google.rpc", "::tonic_types::pb")
        .compile_with_config(config, &services, &["../../proto".to_string()])?;
    Ok(())
}
