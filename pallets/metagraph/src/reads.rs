//! What a client reads: whole answers, typed, from the state of one block.
//!
//! These are for runtime APIs. They may read every neuron, which no call may.

use alloc::vec::Vec;
use codec::{Decode, Encode};
use scale_info::TypeInfo;

use crate::{
    BondRows, Config, EarnedColumn, EmissionColumn, Endpoint, Endpoints, Entry, Hotkeys,
    Hyperparameters, Keys, NetId, NetworkParameters, Networks, Pallet, PermitColumn,
    RegisteredColumn, Schedule, ScoreColumns, StakeColumn, Uid, WeightRows, column,
};

/// A network in short.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct NetworkInfo<AccountId> {
    /// Its id.
    pub netid: NetId,
    /// What its neurons learn, UTF-8.
    pub task: Vec<u8>,
    /// Who is paid the owner's cut.
    pub owner: Option<AccountId>,
    /// Neurons it has.
    pub n_neurons: u16,
    /// Neurons it can have.
    pub max_neurons: u16,
    /// What a registration in the next block costs at most, in units, if nobody else registers before.
    pub registration_price: u64,
    /// Emission gathered since the last epoch, in units.
    pub pending: u64,
    /// Block of the last epoch; that of its creation before the first.
    pub previous_epoch: u32,
    /// First block in which the next epoch is due.
    pub next_epoch: u32,
}

/// A neuron, with what the last epoch said of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct NeuronInfo<AccountId> {
    /// Its place in the network.
    pub uid: Uid,
    /// Who signs for it.
    pub hotkey: AccountId,
    /// Who owns its stake.
    pub coldkey: AccountId,
    /// Where it is reached, if it serves.
    pub endpoint: Option<Endpoint>,
    /// Its stake as an epoch would see it now, settled and earned here, in units.
    pub stake: u64,
    /// The part of `stake` that it earned here and that is not settled yet, in units.
    pub earned: u64,
    /// Block of its registration.
    pub registered_at: u32,
    /// Block of its last weights; of its registration if it set none.
    pub last_update: u32,
    /// Whether it is within the activity cutoff.
    pub active: bool,
    /// Whether it may weigh others.
    pub validator_permit: bool,
    /// In 1/65535.
    pub rank: u16,
    /// In 1/65535.
    pub trust: u16,
    /// In 1/65535.
    pub consensus: u16,
    /// In 1/65535.
    pub incentive: u16,
    /// In 1/65535.
    pub dividends: u16,
    /// In 1/65535.
    pub validator_trust: u16,
    /// What the last epoch paid it, in units.
    pub emission: u64,
}

/// A whole network at one block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Metagraph<AccountId> {
    /// The block.
    pub block: u32,
    /// The network in short.
    pub network: NetworkInfo<AccountId>,
    /// Its neurons in uid order.
    pub neurons: Vec<NeuronInfo<AccountId>>,
}

/// The stake on a hotkey.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct StakeInfo<AccountId> {
    /// The coldkey that owns it.
    pub coldkey: AccountId,
    /// Settled stake, in units.
    pub settled: u64,
    /// Earned in all networks and not settled yet, in units.
    pub earned: u64,
    /// Where it has neurons.
    pub neurons: Vec<(NetId, Uid)>,
}

/// A sparse matrix by rows: (rater, entries), ascending by rater, each row ascending by uid.
pub type Rows = Vec<(Uid, Vec<Entry>)>;

impl<T: Config> Pallet<T> {
    /// The networks in service, ascending by id.
    pub fn networks() -> Vec<NetworkInfo<T::AccountId>> {
        Schedule::<T>::get()
            .iter()
            .filter_map(|slot| Self::network_info(slot.netid))
            .collect()
    }

    /// One network in short.
    pub fn network_info(netid: NetId) -> Option<NetworkInfo<T::AccountId>> {
        let params = NetworkParameters::<T>::get(netid)?;
        let network = Networks::<T>::get(netid)?;
        let slot = Schedule::<T>::get()
            .into_iter()
            .find(|slot| slot.netid == netid)?;
        Some(NetworkInfo {
            netid,
            registration_price: network.price.at_block(Self::now(), &params),
            task: network.task.into_inner(),
            owner: network.owner,
            n_neurons: network.n_neurons,
            max_neurons: params.max_neurons,
            pending: slot.pending,
            previous_epoch: network.previous_epoch,
            next_epoch: slot.next_epoch,
        })
    }

    /// A whole network.
    pub fn metagraph(netid: NetId) -> Option<Metagraph<T::AccountId>> {
        let network = Self::network_info(netid)?;
        let table = NeuronTable::<T>::read(netid)?;
        let neurons = (0..network.n_neurons)
            .filter_map(|uid| table.neuron(netid, Uid(uid)))
            .collect();
        Some(Metagraph {
            block: Self::now(),
            network,
            neurons,
        })
    }

    /// One neuron.
    pub fn neuron(netid: NetId, uid: Uid) -> Option<NeuronInfo<T::AccountId>> {
        NeuronTable::<T>::read(netid)?.neuron(netid, uid)
    }

    /// The weight matrix as stored: the largest weight of a row is 65535.
    pub fn weights(netid: NetId) -> Option<Rows> {
        let network = Self::network_info(netid)?;
        let rows = (0..network.n_neurons)
            .map(Uid)
            .filter_map(|uid| Some((uid, WeightRows::<T>::get(netid, uid)?.entries.into_inner())));
        Some(rows.collect())
    }

    /// The bonds as stored.
    pub fn bonds(netid: NetId) -> Option<Rows> {
        let network = Self::network_info(netid)?;
        let rows = (0..network.n_neurons)
            .map(Uid)
            .map(|uid| (uid, BondRows::<T>::get(netid, uid).into_inner()))
            .filter(|(_, row)| !row.is_empty());
        Some(rows.collect())
    }

    /// The hyperparameters of a network.
    pub fn hyperparameters(netid: NetId) -> Option<Hyperparameters> {
        NetworkParameters::<T>::get(netid)
    }

    /// The stake on a hotkey.
    pub fn stake(hotkey: &T::AccountId) -> Option<StakeInfo<T::AccountId>> {
        let record = Hotkeys::<T>::get(hotkey)?;
        let neurons: Vec<_> = record
            .networks
            .iter()
            .filter_map(|netid| Some((*netid, Self::uid_of(*netid, hotkey).ok()?)))
            .collect();
        let earned = neurons
            .iter()
            .filter_map(|(netid, uid)| {
                column::peek::<u64>(&EarnedColumn::<T>::hashed_key_for(netid), *uid)
            })
            .fold(0u64, u64::saturating_add);
        Some(StakeInfo {
            coldkey: record.owner,
            settled: record.stake,
            earned,
            neurons,
        })
    }
}

/// The columns of a network, read once for all its neurons.
struct NeuronTable<T: Config> {
    params: Hyperparameters,
    now: u32,
    stake: column::Column<T, u64>,
    earned: column::Column<T, u64>,
    registered_at: column::Column<T, u32>,
    permits: column::Column<T, bool>,
    emission: column::Column<T, u64>,
    scores: column::Scores<T>,
}

impl<T: Config> NeuronTable<T> {
    fn read(netid: NetId) -> Option<Self> {
        Some(Self {
            params: NetworkParameters::<T>::get(netid)?,
            now: Pallet::<T>::now(),
            stake: StakeColumn::<T>::get(netid),
            earned: EarnedColumn::<T>::get(netid),
            registered_at: RegisteredColumn::<T>::get(netid),
            permits: PermitColumn::<T>::get(netid),
            emission: EmissionColumn::<T>::get(netid),
            scores: ScoreColumns::<T>::get(netid),
        })
    }

    fn neuron(&self, netid: NetId, uid: Uid) -> Option<NeuronInfo<T::AccountId>> {
        let place = usize::from(uid.0);
        let hotkey = Keys::<T>::get(netid, uid)?;
        let coldkey = Hotkeys::<T>::get(&hotkey)?.owner;
        let registered_at = *self.registered_at.get(place)?;
        let last_update = Pallet::<T>::weights_updated_at(netid, uid)
            .unwrap_or(registered_at)
            .max(registered_at);
        let earned = *self.earned.get(place)?;
        Some(NeuronInfo {
            uid,
            hotkey,
            coldkey,
            endpoint: Endpoints::<T>::get(netid, uid).and_then(|served| served.endpoint),
            stake: self.stake.get(place)?.saturating_add(earned),
            earned,
            registered_at,
            last_update,
            active: last_update.saturating_add(self.params.activity_cutoff) >= self.now,
            validator_permit: *self.permits.get(place)?,
            rank: *self.scores.rank.get(place)?,
            trust: *self.scores.trust.get(place)?,
            consensus: *self.scores.consensus.get(place)?,
            incentive: *self.scores.incentive.get(place)?,
            dividends: *self.scores.dividends.get(place)?,
            validator_trust: *self.scores.validator_trust.get(place)?,
            emission: *self.emission.get(place)?,
        })
    }
}
