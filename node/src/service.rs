//! Puts the node together: chain, network, RPC, block authoring and finality.
//!
//! [`new_partial`] builds what every command needs, [`new_full`] a running node on top of it.

use crate::rpc::{self, FullDeps, GrandpaDeps};
use connectome_runtime::{
    apis::RuntimeApi,
    opaque::{Block, Hash},
};
use futures::FutureExt;
use sc_client_api::{Backend, BlockBackend};
use sc_consensus_aura::{ImportQueueParams, SlotDuration, SlotProportion, StartAuraParams};
use sc_consensus_grandpa::{FinalityProofProvider, SharedVoterState};
use sc_network::{
    NetworkBackend, NotificationService, config::FullNetworkConfiguration,
    service::traits::NetworkService,
};
use sc_network_sync::SyncingService;
use sc_service::{Configuration, TaskManager, WarpSyncConfig, error::Error as ServiceError};
use sc_telemetry::{Telemetry, TelemetryWorker};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_consensus_aura::{
    inherents::InherentDataProvider as SlotProvider, sr25519::AuthorityPair as AuraPair,
};
use sp_timestamp::InherentDataProvider as TimestampProvider;
use std::{sync::Arc, time::Duration};
use substrate_prometheus_endpoint::Registry;

type HostFunctions = sp_io::SubstrateHostFunctions;
type FullClient =
    sc_service::TFullClient<Block, RuntimeApi, sc_executor::WasmExecutor<HostFunctions>>;
type FullBackend = sc_service::TFullBackend<Block>;
type FullSelectChain = sc_consensus::LongestChain<FullBackend, Block>;
type FullPool = sc_transaction_pool::TransactionPoolHandle<Block, FullClient>;
type GrandpaBlockImport =
    sc_consensus_grandpa::GrandpaBlockImport<FullBackend, Block, FullClient, FullSelectChain>;
type GrandpaLink = sc_consensus_grandpa::LinkHalf<Block, FullClient, FullSelectChain>;

/// Blocks between two justifications that are kept, so that a node which syncs can skip in between.
const GRANDPA_JUSTIFICATION_PERIOD: u32 = 512;

/// How long a finality vote is expected to take through the network.
const GRANDPA_GOSSIP_DURATION: Duration = Duration::from_millis(333);

/// The part of its slot in which an author fills a block; the rest is for the block to travel.
const PROPOSAL_SLOT_PORTION: f32 = 2.0 / 3.0;

/// Telemetry messages that may wait to be sent.
const TELEMETRY_BUFFER: usize = 16;

/// What every command needs: the chain, its import queue, the transaction pool.
pub(crate) type Service = sc_service::PartialComponents<
    FullClient,
    FullBackend,
    FullSelectChain,
    sc_consensus::DefaultImportQueue<Block>,
    FullPool,
    (GrandpaBlockImport, GrandpaLink, Option<Telemetry>),
>;

/// Opens the chain without going on the network.
///
/// # Errors
///
/// If the database cannot be opened or belongs to another chain.
pub(crate) fn new_partial(config: &Configuration) -> Result<Service, ServiceError> {
    let telemetry = config
        .telemetry_endpoints
        .clone()
        .filter(|endpoints| !endpoints.is_empty())
        .map(|endpoints| -> Result<_, sc_telemetry::Error> {
            let worker = TelemetryWorker::new(TELEMETRY_BUFFER)?;
            let telemetry = worker.handle().new_telemetry(endpoints);
            Ok((worker, telemetry))
        })
        .transpose()?;

    let (client, backend, keystore_container, task_manager) =
        sc_service::new_full_parts::<Block, RuntimeApi, _>(
            config,
            telemetry.as_ref().map(|(_, telemetry)| telemetry.handle()),
            sc_service::new_wasm_executor::<HostFunctions>(&config.executor),
            // Nothing but the usual pruning decides which bodies are kept.
            Vec::new(),
        )?;
    let client = Arc::new(client);

    let telemetry = telemetry.map(|(worker, telemetry)| {
        task_manager
            .spawn_handle()
            .spawn("telemetry", None, worker.run());
        telemetry
    });

    let select_chain = sc_consensus::LongestChain::new(backend.clone());

    let transaction_pool = Arc::from(
        sc_transaction_pool::Builder::new(
            task_manager.spawn_essential_handle(),
            client.clone(),
            config.role.is_authority().into(),
        )
        .with_options(config.transaction_pool.clone())
        .with_prometheus(config.prometheus_registry())
        .build(),
    );

    let (block_import, grandpa_link) = sc_consensus_grandpa::block_import(
        client.clone(),
        GRANDPA_JUSTIFICATION_PERIOD,
        &client,
        select_chain.clone(),
        telemetry.as_ref().map(Telemetry::handle),
    )?;

    let inherents_client = client.clone();
    let import_queue =
        sc_consensus_aura::import_queue::<AuraPair, _, _, _, _, _>(ImportQueueParams {
            block_import: block_import.clone(),
            justification_import: Some(Box::new(block_import.clone())),
            client: client.clone(),
            create_inherent_data_providers: move |parent_hash, ()| {
                let client = inherents_client.clone();
                async move {
                    let slot_duration =
                        sc_consensus_aura::standalone::slot_duration_at(&*client, parent_hash)?;
                    Ok(slot_and_time_now(slot_duration))
                }
            },
            spawner: &task_manager.spawn_essential_handle(),
            registry: config.prometheus_registry(),
            check_for_equivocation: Default::default(),
            telemetry: telemetry.as_ref().map(Telemetry::handle),
            compatibility_mode: Default::default(),
        })?;

    Ok(sc_service::PartialComponents {
        client,
        backend,
        task_manager,
        import_queue,
        keystore_container,
        select_chain,
        transaction_pool,
        other: (block_import, grandpa_link, telemetry),
    })
}

/// Starts a node on the network `N` and returns its tasks, which run until they are dropped.
///
/// # Errors
///
/// If the chain cannot be opened, or an address not be listened on.
pub(crate) fn new_full<N: NetworkBackend<Block, Hash>>(
    config: Configuration,
) -> Result<TaskManager, ServiceError> {
    let sc_service::PartialComponents {
        client,
        backend,
        mut task_manager,
        import_queue,
        keystore_container,
        select_chain,
        transaction_pool,
        other: (block_import, grandpa_link, mut telemetry),
    } = new_partial(&config)?;

    let mut net_config = FullNetworkConfiguration::<Block, Hash, N>::new(
        &config.network,
        config.prometheus_registry().cloned(),
    );
    let metrics = N::register_notification_metrics(config.prometheus_registry());

    let genesis_hash = client
        .block_hash(0)
        .ok()
        .flatten()
        .expect("opening the chain wrote the genesis block");
    let grandpa_protocol_name =
        sc_consensus_grandpa::protocol_standard_name(&genesis_hash, &config.chain_spec);
    let (grandpa_protocol_config, grandpa_notifications) =
        sc_consensus_grandpa::grandpa_peers_set_config::<_, N>(
            grandpa_protocol_name.clone(),
            metrics.clone(),
            net_config.peer_store_handle(),
        );
    net_config.add_notification_protocol(grandpa_protocol_config);

    let warp_sync = Arc::new(sc_consensus_grandpa::warp_proof::NetworkProvider::new(
        backend.clone(),
        grandpa_link.shared_authority_set().clone(),
        Vec::new(),
    ));

    let (network, system_rpc_tx, tx_handler_controller, sync_service, _bitswap) =
        sc_service::build_network(sc_service::BuildNetworkParams {
            config: &config,
            net_config,
            client: client.clone(),
            transaction_pool: transaction_pool.clone(),
            spawn_handle: task_manager.spawn_handle(),
            spawn_essential_handle: task_manager.spawn_essential_handle(),
            import_queue,
            block_announce_validator_builder: None,
            warp_sync_config: Some(WarpSyncConfig::WithProvider(warp_sync)),
            block_relay: None,
            metrics,
            gap_sync_body_policy: None,
        })?;

    if config.offchain_worker.enabled {
        let offchain_workers =
            sc_offchain::OffchainWorkers::new(sc_offchain::OffchainWorkerOptions {
                runtime_api_provider: client.clone(),
                is_validator: config.role.is_authority(),
                keystore: Some(keystore_container.keystore()),
                offchain_db: backend.offchain_storage(),
                transaction_pool: Some(OffchainTransactionPoolFactory::new(
                    transaction_pool.clone(),
                )),
                network_provider: Arc::new(network.clone()),
                enable_http_requests: true,
                custom_extensions: |_| Vec::new(),
            })?;
        task_manager.spawn_handle().spawn(
            "offchain-workers-runner",
            "offchain-worker",
            offchain_workers
                .run(client.clone(), task_manager.spawn_handle())
                .boxed(),
        );
    }

    let role = config.role;
    let force_authoring = config.force_authoring;
    let node_name = config.network.node_name.clone();
    let disable_grandpa = config.disable_grandpa;
    let prometheus_registry = config.prometheus_registry().cloned();
    let voter_state = SharedVoterState::empty();

    let rpc_builder = {
        let client = client.clone();
        let pool = transaction_pool.clone();
        let voter_state = voter_state.clone();
        let authority_set = grandpa_link.shared_authority_set().clone();
        let justifications = grandpa_link.justification_stream();
        let finality_proofs =
            FinalityProofProvider::new_for_service(backend.clone(), Some(authority_set.clone()));

        Box::new(move |executor| {
            let deps = FullDeps {
                client: client.clone(),
                pool: pool.clone(),
                grandpa: GrandpaDeps {
                    voter_state: voter_state.clone(),
                    authority_set: authority_set.clone(),
                    justifications: justifications.clone(),
                    finality_proofs: finality_proofs.clone(),
                },
            };
            rpc::create_full(deps, executor).map_err(Into::into)
        })
    };

    sc_service::spawn_tasks(sc_service::SpawnTasksParams {
        network: network.clone(),
        client: client.clone(),
        keystore: keystore_container.keystore(),
        task_manager: &mut task_manager,
        transaction_pool: transaction_pool.clone(),
        rpc_builder,
        backend,
        system_rpc_tx,
        tx_handler_controller,
        sync_service: sync_service.clone(),
        config,
        telemetry: telemetry.as_mut(),
        tracing_execute_block: None,
    })?;

    if role.is_authority() {
        start_authoring(Authoring {
            task_manager: &task_manager,
            client,
            select_chain,
            block_import,
            transaction_pool: transaction_pool.clone(),
            sync_service: sync_service.clone(),
            keystore: keystore_container.keystore(),
            force_authoring,
            prometheus_registry: prometheus_registry.as_ref(),
            telemetry: telemetry.as_ref(),
        })?;
    }

    if !disable_grandpa {
        start_finality(Finality {
            task_manager: &task_manager,
            config: sc_consensus_grandpa::Config {
                gossip_duration: GRANDPA_GOSSIP_DURATION,
                justification_generation_period: GRANDPA_JUSTIFICATION_PERIOD,
                name: Some(node_name),
                observer_enabled: false,
                // Who does not vote needs no key to vote with.
                keystore: role.is_authority().then(|| keystore_container.keystore()),
                local_role: role,
                telemetry: telemetry.as_ref().map(Telemetry::handle),
                protocol_name: grandpa_protocol_name,
            },
            link: grandpa_link,
            network,
            sync_service,
            notifications: grandpa_notifications,
            voter_state,
            transaction_pool,
            prometheus_registry,
        })?;
    }

    Ok(task_manager)
}

/// The current slot and time, by this machine's clock: what a block of now is made from or checked with.
fn slot_and_time_now(slot_duration: SlotDuration) -> (SlotProvider, TimestampProvider) {
    let time = TimestampProvider::from_system_time();
    let slot = SlotProvider::from_timestamp_and_slot_duration(*time, slot_duration);
    (slot, time)
}

/// What [`start_authoring`] makes blocks from.
struct Authoring<'a> {
    task_manager: &'a TaskManager,
    client: Arc<FullClient>,
    select_chain: FullSelectChain,
    block_import: GrandpaBlockImport,
    transaction_pool: Arc<FullPool>,
    sync_service: Arc<SyncingService<Block>>,
    keystore: sp_keystore::KeystorePtr,
    force_authoring: bool,
    prometheus_registry: Option<&'a Registry>,
    telemetry: Option<&'a Telemetry>,
}

/// Starts the task that makes a block in each slot that is this node's. The node ends if it does.
fn start_authoring(authoring: Authoring<'_>) -> Result<(), ServiceError> {
    let telemetry = authoring.telemetry.map(Telemetry::handle);
    let proposer_factory = sc_basic_authorship::ProposerFactory::new(
        authoring.task_manager.spawn_handle(),
        authoring.client.clone(),
        authoring.transaction_pool,
        authoring.prometheus_registry,
        telemetry.clone(),
    );
    let slot_duration = sc_consensus_aura::slot_duration(&*authoring.client)?;

    let aura =
        sc_consensus_aura::start_aura::<AuraPair, _, _, _, _, _, _, _, _, _, _>(StartAuraParams {
            slot_duration,
            client: authoring.client,
            select_chain: authoring.select_chain,
            block_import: authoring.block_import,
            proposer_factory,
            create_inherent_data_providers: move |_, ()| async move {
                Ok(slot_and_time_now(slot_duration))
            },
            force_authoring: authoring.force_authoring,
            backoff_authoring_blocks: Option::<()>::None,
            keystore: authoring.keystore,
            sync_oracle: authoring.sync_service.clone(),
            justification_sync_link: authoring.sync_service,
            block_proposal_slot_portion: SlotProportion::new(PROPOSAL_SLOT_PORTION),
            max_block_proposal_slot_portion: None,
            telemetry,
            compatibility_mode: Default::default(),
        })?;

    authoring
        .task_manager
        .spawn_essential_handle()
        .spawn_blocking("aura", Some("block-authoring"), aura);
    Ok(())
}

/// What [`start_finality`] votes with.
struct Finality<'a> {
    task_manager: &'a TaskManager,
    config: sc_consensus_grandpa::Config,
    link: GrandpaLink,
    network: Arc<dyn NetworkService>,
    sync_service: Arc<SyncingService<Block>>,
    notifications: Box<dyn NotificationService>,
    voter_state: SharedVoterState,
    transaction_pool: Arc<FullPool>,
    prometheus_registry: Option<Registry>,
}

/// Starts the task that follows, and on an authority takes part in, finality. The node ends if it does.
///
/// A node that is no authority runs the full voter without a key: the observer protocol would do, but
/// is little used, and a network of observers can stall.
fn start_finality(finality: Finality<'_>) -> Result<(), ServiceError> {
    let telemetry = finality.config.telemetry.clone();
    let voter = sc_consensus_grandpa::run_grandpa_voter(sc_consensus_grandpa::GrandpaParams {
        config: finality.config,
        link: finality.link,
        network: finality.network,
        sync: finality.sync_service,
        notification_service: finality.notifications,
        voting_rule: sc_consensus_grandpa::VotingRulesBuilder::default().build(),
        prometheus_registry: finality.prometheus_registry,
        shared_voter_state: finality.voter_state,
        telemetry,
        offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(finality.transaction_pool),
    })?;

    finality
        .task_manager
        .spawn_essential_handle()
        .spawn_blocking("grandpa-voter", None, voter);
    Ok(())
}
